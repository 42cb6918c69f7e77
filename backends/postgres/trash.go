package postgres

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// The operations of which a gateway asks whether they are done.
const (
	opDelete  = "postgres.delete"
	opRecover = "postgres.recover"
	opPurge   = "postgres.purge"
)

// Delete implements backends.Backend.
func (s *Store) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	return s.move(ctx, opDelete, name, func() *secret.Deletion {
		return &secret.Deletion{At: s.clock.now().Truncate(time.Millisecond), Purge: purge}
	})
}

// Recover implements backends.Backend.
func (s *Store) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.move(ctx, opRecover, name, func() *secret.Deletion { return nil })
}

// move takes a secret into the trash, or out of it. Nothing of it changes but
// whether it is deleted.
func (s *Store) move(ctx context.Context, op string, name secret.Name, as func() *secret.Deletion) (out *secret.Secret, err error) {
	o, into := s.askedFor(ctx, op, name), as() != nil
	find := func(ctx context.Context, read reader) (*found, error) {
		return s.findAll(ctx, read, name, !into, false)
	}
	next := func(f *found) (_ *write, err error) {
		h := f.head.Clone()
		h.Secret.Deleted = as()
		out = h.View(f.versions...)
		w := &write{sql: s.sql.move, from: f.sealed, head: &h, deleted: into}
		w.to, err = s.sealer.Batch().SealHead(&h)
		return w, err
	}
	err = s.do(ctx, op, name, func() error {
		return s.change(ctx, o, find, next, func(ctx context.Context, _ secret.UID, _ bool) (bool, error) {
			f, err := s.findAll(ctx, s.read, name, into, false)
			if err == nil {
				out = f.view()
			}
			return isThere(err)
		})
	}, name.Validate())
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Purge implements backends.Backend.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	return s.purge(ctx, name, func(*found) bool { return true })
}

// PurgeExactly implements backends.ExactPurger.
func (s *Store) PurgeExactly(ctx context.Context, seen *secret.Secret) error {
	return s.purge(ctx, seen.Name, func(f *found) bool { return f.view().SameDeletion(seen) })
}

// purge removes what is in the trash, if it is wanted.
func (s *Store) purge(ctx context.Context, name secret.Name, wanted func(*found) bool) error {
	o := s.askedFor(ctx, opPurge, name)
	find := func(ctx context.Context, read reader) (*found, error) {
		f, err := s.findAll(ctx, read, name, true, false)
		if err == nil && !wanted(f) {
			err = secret.Errorf(secret.NotFound, "no longer that deleted secret")
		}
		return f, err
	}
	next := func(f *found) (*write, error) {
		return &write{sql: s.sql.purge, from: f.sealed, deleted: true}, nil
	}
	return s.do(ctx, opPurge, name, func() error {
		return s.change(ctx, o, find, next, func(ctx context.Context, _ secret.UID, ours bool) (bool, error) {
			if ours {
				return true, nil
			}
			f, err := s.findOnce(ctx, s.read, name, secret.Current, false)
			return f == nil, err
		})
	}, name.Validate())
}
