package postgres

import (
	"context"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// OpensUnder implements backends.KeyHolder. Another gateway may have wrapped the data
// key anew, so it is read anew. While the database does not answer, it goes by what was
// read last: a caller can be taken out all the same.
func (s *Store) OpensUnder(ctx context.Context, keys backends.KeyWrapper) error {
	if err := checkKeys(keys); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	m := s.wrapped.Load()
	err := s.do(ctx, "postgres.keys", "", func() error {
		fresh, _, err := s.checkSchema(ctx)
		if err == nil {
			m = fresh
		}
		return err
	})
	if err != nil && secret.KindOf(err) != secret.Unavailable {
		return err
	}
	_, err = m.open(keys)
	return err
}

// UseKeys implements backends.KeyHolder.
func (s *Store) UseKeys(keys backends.KeyWrapper) { s.keys.Store(&keys) }
