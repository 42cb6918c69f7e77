package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// A note's record is its number (8 bytes, big-endian) and then its text.

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) (text []byte, revision string, err error) {
	const op = "bolt.read_note"
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", failure(op, "", err)
	}
	err = s.view(ctx, op, "", func(tx *bbolt.Tx) error {
		var number uint64
		number, text, err = s.note(tx, key)
		if err == nil && number == 0 {
			return secret.Errorf(secret.NotFound, "no such note")
		}
		revision = noteRevision(number)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return text, revision, nil
}

// WriteState implements backends.StateStore.
func (s *Store) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	const op = "bolt.write_note"
	if err := kit.CheckState(key, text); err != nil {
		return failure(op, "", err)
	}
	return s.update(ctx, op, "", func(tx *bbolt.Tx) ([]put, error) {
		number, _, err := s.note(tx, key)
		if err != nil {
			return nil, err
		}
		if noteRevision(number) != revision {
			return nil, secret.Errorf(secret.Conflict, "")
		}
		plain := append(binary.BigEndian.AppendUint64(nil, number+1), text...)
		sealed, err := s.seal.seal(sealedNote, "", []byte(key), plain)
		return []put{{bucketNotes, []byte(key), sealed}}, err
	})
}

// note reads a note; number zero: there is none.
func (s *Store) note(tx *bbolt.Tx, key string) (number uint64, text []byte, err error) {
	sealed := tx.Bucket(bucketNotes).Get([]byte(key))
	if sealed == nil {
		return 0, nil, nil
	}
	return s.openNote(key, sealed)
}

func (s *Store) openNote(key string, sealed []byte) (number uint64, text []byte, err error) {
	plain, err := s.seal.open(sealedNote, "", []byte(key), sealed)
	switch {
	case err != nil:
		return 0, nil, err
	case len(plain) < 8 || binary.BigEndian.Uint64(plain) == 0:
		return 0, nil, errors.New("a note's record is no record of this format")
	}
	return binary.BigEndian.Uint64(plain), plain[8:], nil
}

func noteRevision(number uint64) string {
	if number == 0 {
		return ""
	}
	return strconv.FormatUint(number, 10)
}
