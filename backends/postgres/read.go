package postgres

import (
	"bytes"
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// found is a secret as one statement read it: its head, which is not to be changed,
// and, maybe, a version.
type found struct {
	sealed  []byte
	deleted bool
	head    *history.Head
	version *secret.Version // nil: there is no such version

	attributes []byte // of version, sealed
}

// versionRow is a version as it lies in the database. No ordinal: it is not there.
type versionRow struct {
	ordinal                *int64
	uid, attributes, value []byte
}

func noSecret() error { return secret.Errorf(secret.NotFound, "no such secret") }

func noVersion() error { return secret.Errorf(secret.NotFound, "no such version") }

func (s *Store) openHead(name secret.Name, deleted bool, record []byte) (*history.Head, error) {
	return s.sealer.UnsealHead(deleted, name, record)
}

// openVersion opens a version, with its value where that was asked for.
func (s *Store) openVersion(name secret.Name, r *versionRow, withValue bool) (*secret.Version, error) {
	v, err := s.sealer.UnsealVersion(name, secret.Ordinal(*r.ordinal), r.attributes)
	switch {
	case err != nil:
		return nil, err
	case string(v.UID[:]) != string(r.uid):
		return nil, &recordError{"a version's UID is not the one of its row"}
	}
	return v, s.openValue(name, v, r, withValue)
}

func (s *Store) openValue(name secret.Name, v *secret.Version, r *versionRow, wanted bool) (err error) {
	if wanted && v.Missing == "" {
		v.Value, err = s.sealer.UnsealValue(name, v.UID, r.value)
	}
	return err
}

// reader runs a statement: outside of a transaction or within one.
type reader func(ctx context.Context, sql string, scan func(pgx.Rows) error, args ...any) error

// find reads a secret with the version that sel picks: in one round trip, but
// where another than the newest one is current. Each statement sees one state,
// so the version always goes with the head. It returns nil where no such secret
// is live, or deleted.
func (s *Store) find(ctx context.Context, read reader, name secret.Name, sel secret.Selector, deleted, withValue bool) (*found, error) {
	for guess := sel; ; {
		f, err := s.findOnce(ctx, read, name, guess, withValue)
		if err != nil || f == nil || f.deleted != deleted {
			return nil, err
		}
		if !sel.IsCurrent() || f.head.Secret.Current == 0 || f.version != nil && f.version.Ordinal == f.head.Secret.Current {
			return f, nil
		}
		next := secret.ByOrdinal(f.head.Secret.Current)
		if f.version == nil || next == guess { // it is not there, though the head says so
			return nil, &recordError{"the current version is not there"}
		}
		guess = next
	}
}

func (s *Store) findOnce(ctx context.Context, read reader, name secret.Name, sel secret.Selector, withValue bool) (*found, error) {
	sql, args := s.sql.newest, []any{string(name), withValue}
	switch {
	case sel.Ordinal != 0:
		sql, args = s.sql.byOrdinal, append(args, int64(sel.Ordinal))
	case !sel.IsCurrent():
		sql, args = s.sql.byUID, append(args, sel.UID[:])
	}
	f, r := new(found), new(versionRow)
	err := read(ctx, sql, func(rows pgx.Rows) error {
		return each(rows, []any{&f.sealed, &f.deleted, &r.ordinal, &r.uid, &r.attributes, &r.value}, nil)
	}, args...)
	if err != nil || f.sealed == nil {
		return nil, err
	}
	known := s.heads.get(name)
	if !f.deleted && bytes.Equal(known.sealed, f.sealed) {
		f.head = known.head
	} else if f.head, err = s.openHead(name, f.deleted, f.sealed); err != nil {
		return nil, err
	}
	f.attributes = r.attributes
	switch {
	case r.ordinal == nil:
	case known.version != nil && known.version.Ordinal == secret.Ordinal(*r.ordinal) && bytes.Equal(known.attributes, r.attributes) && bytes.Equal(known.version.UID[:], r.uid):
		v := known.version.Clone()
		f.version, err = &v, s.openValue(name, &v, r, withValue)
	default:
		f.version, err = s.openVersion(name, r, withValue)
	}
	return f, err
}

// Get implements backends.Backend.
func (s *Store) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	const op = "postgres.get"
	if err := s.ready(ctx, op, name.Validate()); err != nil {
		return nil, err
	}
	f, err := s.find(ctx, s.query, name, sel, false, true)
	switch {
	case err != nil:
	case f == nil:
		err = noSecret()
	case f.version == nil:
		err = noVersion()
	}
	if err != nil {
		return nil, failure(op, name, err)
	}
	attributes := f.version.Clone()
	attributes.Value = secret.Value{}
	s.heads.keep(name, cachedHead{f.sealed, f.head, f.attributes, &attributes})
	return f.head.View(*f.version), nil
}

// Describe implements backends.Backend.
func (s *Store) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.describe(ctx, "postgres.describe", name, false, false)
}

// DescribeMarked implements backends.Marker. The mark is the sealed head, so a write
// with it is one round trip.
func (s *Store) DescribeMarked(ctx context.Context, name secret.Name) (*secret.Secret, secret.Mark, error) {
	return s.describeMarked(ctx, "postgres.describe", name, false, false)
}

// Export implements backends.Backend.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.describe(ctx, "postgres.export", name, false, true)
}

func (s *Store) describe(ctx context.Context, op string, name secret.Name, deleted, withValues bool) (*secret.Secret, error) {
	out, _, err := s.describeMarked(ctx, op, name, deleted, withValues)
	return out, err
}

func (s *Store) describeMarked(ctx context.Context, op string, name secret.Name, deleted, withValues bool) (*secret.Secret, secret.Mark, error) {
	if err := s.ready(ctx, op, name.Validate()); err != nil {
		return nil, "", err
	}
	f, vs, err := s.readAll(ctx, s.query, name, deleted, withValues)
	if err == nil && f == nil {
		err = noSecret()
	}
	if err != nil {
		return nil, "", failure(op, name, err)
	}
	return f.head.View(vs...), secret.Mark(f.sealed), nil
}

// readAll reads a secret with all versions in one statement, or nil.
func (s *Store) readAll(ctx context.Context, read reader, name secret.Name, deleted, withValues bool) (f *found, vs []secret.Version, err error) {
	r := new(versionRow)
	err = read(ctx, s.sql.all, func(rows pgx.Rows) error {
		return each(rows, []any{&r.ordinal, &r.uid, &r.attributes, &r.value}, func() (err error) {
			if f == nil { // the head comes first, with an ordinal below all
				f = &found{sealed: r.attributes, deleted: deleted}
				f.head, err = s.openHead(name, deleted, f.sealed)
				return err
			}
			v, err := s.openVersion(name, r, withValues)
			if err == nil {
				vs = append(vs, *v)
			}
			return err
		})
	}, string(name), deleted, withValues)
	return f, vs, err
}
