package bolt

import (
	"context"
	"strconv"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) (text []byte, revision string, err error) {
	const op = "bolt.read_note"
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", failure(op, "", err)
	}
	err = s.view(ctx, op, "", func(tx *bbolt.Tx) error {
		var number uint64
		number, text, err = s.readNote(tx, key)
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
		number, _, err := s.readNote(tx, key)
		if err != nil {
			return nil, err
		}
		if noteRevision(number) != revision {
			return nil, secret.Errorf(secret.Conflict, "")
		}
		sealed, err := s.sealer.sealNote(key, number+1, text)
		return []put{{bucketNotes, []byte(key), sealed}}, err
	})
}

// readNote reads a note; number zero: there is none.
func (s *Store) readNote(tx *bbolt.Tx, key string) (number uint64, text []byte, err error) {
	sealed := tx.Bucket(bucketNotes).Get([]byte(key))
	if sealed == nil {
		return 0, nil, nil
	}
	return s.sealer.unsealNote(key, sealed)
}

func noteRevision(number uint64) string {
	if number == 0 {
		return ""
	}
	return strconv.FormatUint(number, 10)
}
