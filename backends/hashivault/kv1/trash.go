package kv1

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/secret"
)

// Delete implements backends.Backend.
func (s *Store) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	return s.rewriting(ctx, "delete", name, func(st *state) error {
		if err := st.visible(); err != nil {
			return err
		}
		st.Secret.Deleted = &secret.Deletion{At: s.Now().UTC(), Purge: purge.UTC()}
		return nil
	})
}

// Recover implements backends.Backend.
func (s *Store) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.rewriting(ctx, "recover", name, func(st *state) error {
		if err := st.inTrash(); err != nil {
			return err
		}
		st.Secret.Deleted = nil
		return nil
	})
}

// Purge implements backends.Backend. The value goes before its sidecar, which
// says nothing to anybody without it.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	err := s.changing(ctx, name, func(st *state) error {
		if err := st.inTrash(); err != nil {
			return err
		}
		if err := s.Remove(ctx, "/"+st.Path); err != nil {
			return err
		}
		s.forget(ctx, st.Location)
		return nil
	})
	return connection.Named(err, "purge", name)
}
