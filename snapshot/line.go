package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/jsonl"
	"github.com/vaultferry/vaultferry/secret"
)

// Format is the one format that this release reads and writes.
const Format = 1

// How files begin, so that nobody takes one for another.
const (
	kindRepository = "repository"
	kindSnapshot   = "snapshot"
	kindForgotten  = "forgotten"
	kindDrill      = "drill"
)

// Types of signatures, in their protected headers.
const (
	typeRepository = "vaultferry-repository"
	typeSnapshot   = "vaultferry-snapshot"
	typeForgotten  = "vaultferry-forgotten"
	typeDrill      = "vaultferry-drill"
)

var errForm = errors.New("not as it would be written")

// decode takes only what encode would have written, to the byte. Its errors quote
// nothing.
func decode(line []byte, to any) error {
	line, whole := bytes.CutSuffix(line, []byte("\n"))
	if !whole || jsonl.Decode(line, to) != nil {
		return errForm
	}
	return nil
}

// encode is compact JSON and one line feed.
func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(b, '\n'), err
}

// signed is a line that bears a signature of itself.
type signed interface{ signature() *string }

// sign fills the signature in and returns the line.
func sign(keys *backup.Keyring, typ string, v signed) ([]byte, error) {
	payload, err := unsigned(v)
	if err != nil {
		return nil, err
	}
	if *v.signature(), err = keys.Sign(typ, payload); err != nil {
		return nil, err
	}
	return encode(v)
}

// unsigned is the line without its signature, and without its line feed.
func unsigned(v signed) ([]byte, error) {
	s := v.signature()
	was := *s
	*s = ""
	defer func() { *s = was }()
	return json.Marshal(v)
}

// readSigned decodes a line and holds its signature to it.
func readSigned(keys *backup.Keyring, typ string, line []byte, v signed, at func() time.Time) error {
	if err := decode(line, v); err != nil {
		return err
	}
	want, err := unsigned(v)
	if err != nil {
		return err
	}
	return prove(keys, typ, *v.signature(), want, at())
}

var errSigner = errors.New("no trusted key signed it")

// prove fails unless a trusted key signed the payload, and was not retired at
// the time that the payload tells.
func prove(keys *backup.Keyring, typ, jws string, want []byte, at time.Time) error {
	for _, key := range keys.SigningKeys() {
		payload, err := backup.Prove([]backup.SigningKey{key}, typ, jws)
		switch {
		case err != nil:
			continue
		case !bytes.Equal(payload, want):
			return errors.New("it has the signature of another")
		case !key.Retired.IsZero() && at.After(key.Retired):
			return errors.New("key " + key.ID + " signed it after it was retired")
		}
		return nil
	}
	return errSigner
}

func corrupt(file, format string, args ...any) error {
	e := secret.Errorf(secret.Corrupt, format, args...)
	var ours *secret.Error
	if errors.As(e, &ours) {
		ours.Detail = file + ": " + ours.Detail
	}
	return e
}
