package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

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
	if err := s.ready(ctx, op, name.Validate()); err != nil {
		return nil, err
	}
	o := s.askedFor(ctx, op, name)
	into := as() != nil
	err = s.commit(ctx, o, func(ctx context.Context) error {
		return s.alone(ctx, o, func(read, last reader) error {
			f, vs, err := s.readAll(ctx, read, name, !into, false)
			switch {
			case err != nil:
				return err
			case f == nil:
				return noSecret()
			}
			f.head.Secret.Deleted = as()
			w := &write{sql: s.sql.move, from: f.sealed, head: f.head, deleted: into}
			if w.to, err = s.sealer.Batch().SealHead(f.head); err != nil {
				return err
			}
			if err := s.run(ctx, last, o, w); err != nil {
				return err
			}
			s.settled(o, w)
			out = f.head.View(vs...)
			return nil
		})
	}, func(ctx context.Context, _ secret.UID, _ bool) (bool, error) {
		f, vs, err := s.readAll(ctx, s.query, name, into, false)
		if err != nil || f == nil {
			return false, err
		}
		out = f.head.View(vs...)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// DescribeTrash implements backends.Backend.
func (s *Store) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.describe(ctx, "postgres.describe_trash", name, true, false)
}

// Purge implements backends.Backend.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	return s.purge(ctx, name, nil)
}

// PurgeExactly implements backends.ExactPurger.
func (s *Store) PurgeExactly(ctx context.Context, seen *secret.Secret) error {
	return s.purge(ctx, seen.Name, seen)
}

// purge removes what is in the trash, if it is what was seen.
func (s *Store) purge(ctx context.Context, name secret.Name, seen *secret.Secret) error {
	if err := s.ready(ctx, opPurge, name.Validate()); err != nil {
		return err
	}
	o := s.askedFor(ctx, opPurge, name)
	return s.commit(ctx, o, func(ctx context.Context) error {
		return s.alone(ctx, o, func(read, last reader) error {
			f, vs, err := s.readAll(ctx, read, name, true, false)
			switch {
			case err != nil:
				return err
			case f == nil:
				return secret.Errorf(secret.NotFound, "no such deleted secret")
			case seen != nil && !f.head.View(vs...).SameDeletion(seen):
				return secret.Errorf(secret.NotFound, "no longer that deleted secret")
			}
			return s.run(ctx, last, o, &write{sql: s.sql.purge, from: f.sealed, deleted: true})
		})
	}, func(ctx context.Context, _ secret.UID, ours bool) (bool, error) {
		if ours {
			return true, nil
		}
		there := false
		err := s.query(ctx, s.sql.newest, func(rows pgx.Rows) error {
			there = rows.Next()
			return nil
		}, string(name), false)
		return !there, err
	})
}
