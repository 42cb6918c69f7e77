package bolt

import (
	"context"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
)

// OpensUnder implements backends.KeyHolder.
func (s *Store) OpensUnder(_ context.Context, keys backends.KeyWrapper) error {
	path := s.db.Path()
	if err := checkKeys(path, keys); err != nil {
		return err
	}
	return s.db.View(func(tx *bbolt.Tx) error {
		m, err := readMeta(tx)
		if err != nil {
			return err
		}
		if _, err := m.unwrapKey(keys); err != nil {
			return keyError(path, err)
		}
		return nil
	})
}

// UseKeys implements backends.KeyHolder.
func (s *Store) UseKeys(keys backends.KeyWrapper) { s.keys.Store(&keys) }
