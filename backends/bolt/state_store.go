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
	const op = "bolt.read_state"
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", failure(op, "", err)
	}
	err = s.view(ctx, op, "", func(tx *bbolt.Tx) error {
		var number uint64
		number, text, err = s.readState(tx, key)
		if err == nil && number == 0 {
			return secret.Errorf(secret.NotFound, "no such record")
		}
		revision = stateRevision(number)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return text, revision, nil
}

// WriteState implements backends.StateStore.
func (s *Store) WriteState(ctx context.Context, key string, text []byte, revision string) error {
	const op = "bolt.write_state"
	if err := kit.CheckState(key, text); err != nil {
		return failure(op, "", err)
	}
	return s.update(ctx, op, "", func(tx *bbolt.Tx) ([]put, error) {
		number, _, err := s.readState(tx, key)
		if err != nil {
			return nil, err
		}
		if stateRevision(number) != revision {
			return nil, secret.Errorf(secret.Conflict, "")
		}
		sealed, err := s.sealer.Batch().SealState(key, number+1, text)
		return []put{{bucketState, []byte(key), sealed}}, err
	})
}

// readState reads a record of the gateway; number zero: there is none.
func (s *Store) readState(tx *bbolt.Tx, key string) (number uint64, text []byte, err error) {
	sealed := tx.Bucket(bucketState).Get([]byte(key))
	if sealed == nil {
		return 0, nil, nil
	}
	return s.sealer.UnsealState(key, sealed)
}

func stateRevision(number uint64) string {
	if number == 0 {
		return ""
	}
	return strconv.FormatUint(number, 10)
}
