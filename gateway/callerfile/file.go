// Package callerfile keeps credentials of callers in a file of the program's
// own, beside those that people write into the configuration. Commands change it
// and a gateway reads it; nobody else does: a MAC under the keyring tells what
// another hand has changed, so that who can write the file can give nobody a
// credential. Tokens stand in it as hashes, access keys sealed.
package callerfile

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/secret"
)

// format is what a file says it is.
const format = "vaultferry callers 1"

// maxFile bounds the file; one with ten thousand keys is smaller.
const maxFile = 8 << 20

// File is what such a file holds.
type File struct {
	Format  string   `json:"format"`
	Callers []Caller `json:"callers"`
	MAC     string   `json:"mac"` // over the rest, hex
}

// Caller is the credentials of one caller, who is configured elsewhere.
type Caller struct {
	Name       string       `json:"name"`
	Tokens     []Credential `json:"tokens,omitempty"`
	AccessKeys []Credential `json:"access_keys,omitempty"`
}

// Credential is a token or an access key.
type Credential struct {
	ID        string     `json:"id"`
	SHA256    string     `json:"sha256,omitempty"` // of a token, hex
	Sealed    string     `json:"sealed,omitempty"` // an access key: see backup.Keyring.SealAccessKey
	Made      time.Time  `json:"made"`
	Expires   *time.Time `json:"expires,omitempty"`
	Addresses []string   `json:"addresses,omitempty"`
}

// Ended reports whether the credential is over.
func (c *Credential) Ended(now time.Time) bool { return c.Expires != nil && !now.Before(*c.Expires) }

// Load reads the file. One that is not there holds nothing. Its errors say what
// to do, and are of the kind Invalid, or NoKey.
func Load(path string, ring *backup.Keyring) (*File, error) {
	b, err := read(path)
	if errors.Is(err, os.ErrNotExist) {
		return &File{Format: format}, nil
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	f, err := parse(b, ring)
	if err != nil {
		return nil, fileError(path, err)
	}
	return f, nil
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	if why := ownfile.Exposed(f); why != "" {
		return nil, errors.New(why)
	}
	if d := ownfile.Look(path); d != nil && d.Sure {
		return nil, errors.New(d.What)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("it is larger than %d bytes", maxFile)
	}
	return b, err
}

var errForeign = errors.New("it was changed by hand or by another program, or belongs to another keyring, so the whole file is refused: put back the file that vaultferry callers wrote last; write credentials of your own into the configuration")

// parse takes what encode would have written, to the byte.
func parse(b []byte, ring *backup.Keyring) (*File, error) {
	f := &File{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode(f) != nil { // what a decoder says may quote what stands there
		return nil, errForeign
	}
	if f.Format != format {
		return nil, errors.New("it is not of the format that this program writes: " + format)
	}
	again, err := f.encode(ring)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(again, b) {
		return nil, errForeign
	}
	return f, nil
}

// encode writes the file, with its MAC.
func (f *File) encode(ring *backup.Keyring) ([]byte, error) {
	signed := *f
	signed.Format, signed.MAC = format, ""
	if signed.Callers == nil {
		signed.Callers = []Caller{}
	}
	plain, err := json.Marshal(signed)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, ring.IDKey("callers file"))
	mac.Write(plain)
	signed.MAC = hex.EncodeToString(mac.Sum(nil))
	b, err := json.MarshalIndent(signed, "", "  ")
	return append(b, '\n'), err
}

// Edit replaces the file by what edit makes of it, whole or not at all, mode 0600.
// A file that is not there is made. Of two edits at a time one fails before it
// has read anything, and so does one in whose time another hand changed the file:
// then the file is as that hand left it.
func Edit(path string, ring *backup.Keyring, edit func(*File) error) error {
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, os.ErrNotExist) {
		target, err = path, nil
	}
	if err != nil {
		return fileError(path, err)
	}
	var before []byte
	err = ownfile.Publish(target, func() ([]byte, error) {
		var err error
		if before, err = read(target); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		f := &File{}
		if err == nil {
			if f, err = parse(before, ring); err != nil {
				return nil, err
			}
		}
		if err := edit(f); err != nil {
			return nil, err
		}
		return f.encode(ring)
	}, func(temp, path string) error {
		if before == nil {
			return ownfile.Create(temp, path)
		}
		return replace(temp, path, before)
	})
	if err != nil {
		return fileError(path, err)
	}
	return nil
}

func replace(temp, path string, before []byte) error {
	now, err := read(path)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(now, before):
		return errors.New("somebody else changed it meanwhile: it was left as it is, and nothing was written; run the command again")
	}
	return os.Rename(temp, path)
}

// fileError names the file; an error of ours, it keeps the kind.
func fileError(path string, cause error) error {
	kind := secret.Invalid
	if ours, ok := errors.AsType[*secret.Error](cause); ok {
		kind = ours.Kind
	}
	return &secret.Error{Kind: kind, Detail: "callers_file " + path, Err: secret.WithoutPath(cause)}
}
