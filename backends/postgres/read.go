package postgres

import (
	"bytes"
	"context"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// row is a secret as it lies in the database, with one of its versions or none.
type row struct {
	name                   string
	deleted                bool
	head                   []byte
	ordinal                *int64 // nil: no version
	uid, attributes, value []byte
}

func (r *row) into() []any {
	return []any{&r.name, &r.deleted, &r.head, &r.ordinal, &r.uid, &r.attributes, &r.value}
}

// found is a secret as one statement read it, with the versions that were asked for.
// Its head may be the cache's: it is not to be changed.
type found struct {
	sealed   []byte
	deleted  bool
	head     *history.Head
	versions []secret.Version

	attributes []byte // of the last version, sealed
}

func (f *found) view() *secret.Secret { return f.head.View(f.versions...) }

func noSecret() error { return secret.Errorf(secret.NotFound, "no such secret") }

// load reads secrets, and opens what it reads unless the cache knows it.
func (s *Store) load(ctx context.Context, read reader, withValues bool, sql string, args ...any) (all []*found, err error) {
	var r row
	err = read(ctx, step{sql, args, r.into(), func() error {
		name := secret.Name(r.name)
		known := s.heads.get(name)
		if n := len(all); n == 0 || all[n-1].head.Secret.Name != name {
			f := &found{sealed: r.head, deleted: r.deleted}
			if f.head, err = s.openHead(known, name, f.deleted, f.sealed); err != nil {
				return err
			}
			all = append(all, f)
		}
		if r.ordinal == nil {
			return nil
		}
		f := all[len(all)-1]
		v, err := s.openVersion(&r, known, withValues)
		if err == nil {
			f.attributes, f.versions = r.attributes, append(f.versions, *v)
		}
		return err
	}})
	return all, err
}

// openHead opens a head that may be the one that the cache knows.
func (s *Store) openHead(known cachedHead, name secret.Name, deleted bool, record []byte) (*history.Head, error) {
	if known.head != nil && !deleted && bytes.Equal(known.sealed, record) {
		return known.head, nil
	}
	return s.sealer.UnsealHead(deleted, name, record)
}

// openVersion opens the version of a row, with its value where that was asked for.
func (s *Store) openVersion(r *row, known cachedHead, withValue bool) (v *secret.Version, err error) {
	name, o := secret.Name(r.name), secret.Ordinal(*r.ordinal)
	if known.version != nil && known.version.Ordinal == o && bytes.Equal(known.attributes, r.attributes) {
		clone := known.version.Clone()
		v = &clone
	} else if v, err = s.sealer.UnsealVersion(name, o, r.attributes); err != nil {
		return nil, err
	}
	if !bytes.Equal(v.UID[:], r.uid) {
		return nil, &recordError{"a version's UID is not the one of its row"}
	}
	if withValue && v.Missing == "" {
		v.Value, err = s.sealer.UnsealValue(name, v.UID, r.value)
	}
	return v, err
}

// findOnce reads a secret, whether it is deleted or not, with the version that sel
// picks, if there is one; nil: there is no such secret. For the current version it
// guesses the newest one.
func (s *Store) findOnce(ctx context.Context, read reader, name secret.Name, sel secret.Selector, withValue bool) (*found, error) {
	sql, args := s.sql.newest, []any{string(name), withValue}
	switch {
	case sel.Ordinal != 0:
		sql, args = s.sql.byOrdinal, append(args, int64(sel.Ordinal))
	case !sel.IsCurrent():
		sql, args = s.sql.byUID, append(args, sel.UID[:])
	}
	all, err := s.load(ctx, read, withValue, sql, args...)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return all[0], nil
}

// find reads a live secret with the version that sel picks, or NotFound; where a mark
// is given and the secret is in another state, Conflict. It takes one round trip, but
// where another version than the newest one is current. Each statement sees one state,
// so the version always goes with the head.
func (s *Store) find(ctx context.Context, read reader, name secret.Name, sel secret.Selector, only secret.Mark, withValue bool) (*found, error) {
	for guess := sel; ; {
		f, err := s.findOnce(ctx, read, name, guess, withValue)
		switch {
		case err != nil:
			return nil, err
		case f == nil || f.deleted:
			return nil, noSecret()
		case only != "" && only != secret.Mark(f.sealed):
			return nil, f.moved()
		}
		current := f.head.Secret.Current
		switch {
		case sel.IsCurrent() && current == 0, !sel.IsCurrent() && len(f.versions) == 0:
			return nil, secret.Errorf(secret.NotFound, "no such version")
		case len(f.versions) == 0 && (guess.IsCurrent() || guess.Ordinal == current):
			return nil, &recordError{"the current version is not there"}
		case !sel.IsCurrent(), len(f.versions) > 0 && f.versions[0].Ordinal == current:
			return f, nil
		}
		guess = secret.ByOrdinal(current) // of this state: by the next, it may be another secret
	}
}

// findAll reads a live or a deleted secret with all versions, or NotFound.
func (s *Store) findAll(ctx context.Context, read reader, name secret.Name, deleted, withValues bool) (*found, error) {
	all, err := s.load(ctx, read, withValues, s.sql.all, string(name), deleted, withValues)
	if err == nil && len(all) == 0 {
		err = noSecret()
	}
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Get implements backends.Backend.
func (s *Store) Get(ctx context.Context, name secret.Name, sel secret.Selector) (out *secret.Secret, err error) {
	err = s.do(ctx, "postgres.get", name, func() error {
		f, err := s.find(ctx, s.read, name, sel, "", true)
		if err != nil {
			return err
		}
		out = f.view()
		attributes := f.versions[0].Clone()
		attributes.Value = secret.Value{}
		s.heads.keep(name, cachedHead{f.sealed, f.head, f.attributes, &attributes})
		return nil
	}, name.Validate())
	return out, err
}

// Describe implements backends.Backend.
func (s *Store) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	out, _, err := s.describe(ctx, "postgres.describe", name, false, false)
	return out, err
}

// DescribeMarked implements backends.Marker. The mark is the sealed head, so a write
// with it is one round trip.
func (s *Store) DescribeMarked(ctx context.Context, name secret.Name) (*secret.Secret, secret.Mark, error) {
	return s.describe(ctx, "postgres.describe", name, false, false)
}

// DescribeTrash implements backends.Backend.
func (s *Store) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	out, _, err := s.describe(ctx, "postgres.describe_trash", name, true, false)
	return out, err
}

// Export implements backends.Backend.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	out, _, err := s.describe(ctx, "postgres.export", name, false, true)
	return out, err
}

func (s *Store) describe(ctx context.Context, op string, name secret.Name, deleted, withValues bool) (out *secret.Secret, mark secret.Mark, err error) {
	err = s.do(ctx, op, name, func() error {
		f, err := s.findAll(ctx, s.read, name, deleted, withValues)
		if err == nil {
			out, mark = f.view(), secret.Mark(f.sealed)
		}
		return err
	}, name.Validate())
	return out, mark, err
}
