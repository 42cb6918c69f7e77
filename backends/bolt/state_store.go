package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends/kit"
)

// ReadState implements backends.StateStore.
func (s *Store) ReadState(ctx context.Context, key string) (text []byte, revision string, err error) {
	const op = "bolt.read_state"
	if err := kit.CheckStateKey(key); err != nil {
		return nil, "", failure(op, "", err)
	}
	err = s.view(ctx, op, "", func(tx *bbolt.Tx) (err error) {
		text, revision, err = s.sealer.UnsealState(key, tx.Bucket(bucketState).Get([]byte(key)))
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
		next, err := s.sealer.NextState(key, tx.Bucket(bucketState).Get([]byte(key)), revision, text)
		return []put{{bucketState, []byte(key), next}}, err
	})
}
