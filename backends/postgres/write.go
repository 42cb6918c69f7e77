package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// write is the next state of a secret, as the arguments of the statements say.
type write struct {
	sql      string
	from, to []byte        // sealed heads; no from: the secret is not there
	head     *history.Head // of to
	deleted  bool
	rest     []any // ordinal, attributes, value
	stands   found // what stood instead, if the write was in vain
}

// run tries the write in one round trip: errAgain where another state stands.
func (s *Store) run(ctx context.Context, q reader, o *operation, w *write) error {
	var salt []byte
	if w.from != nil {
		salt = saltOf(w.from)
	}
	var made int
	var now time.Time
	var deleted *bool
	sent := time.Now()
	w.stands = found{}
	args := append([]any{string(o.name), salt, w.to, w.deleted, o.id, o.uid[:], o.replaces}, w.rest...)
	err := q(ctx, w.sql, func(rows pgx.Rows) error {
		return each(rows, []any{&made, &w.stands.sealed, &deleted, &now}, nil)
	}, args...)
	switch {
	case isTaken(err):
		return errTaken
	case err != nil:
		return err
	}
	s.clock.observe(sent, now)
	if made == 0 {
		w.stands.deleted = deleted != nil && *deleted
		return errAgain
	}
	return nil
}

// settled tells the cache of heads how a write of o came out.
func (s *Store) settled(o *operation, w *write) {
	if w.deleted {
		s.heads.keep(o.name, cachedHead{})
	} else {
		s.heads.keep(o.name, cachedHead{sealed: w.to, head: w.head})
	}
}

// maxRaces is how often a write may be in vain before it takes the lock of its
// secret, which those who come later wait for.
const maxRaces = 2

// alone runs f with the lock of the secret, where o has met others time and
// again; else without. f reads, and its last statement commits.
func (s *Store) alone(ctx context.Context, o *operation, f func(read, last reader) error) error {
	if o.tries < maxRaces {
		read := func(ctx context.Context, sql string, scan func(pgx.Rows) error, args ...any) error {
			if err := s.query(ctx, sql, scan, args...); err != nil {
				return &notSent{err}
			}
			return nil
		}
		return f(read, s.query)
	}
	return s.inTx(ctx, beginWrite, func(t *tx) error {
		if err := t.read(ctx, s.sql.lock, nil, string(o.name)); err != nil {
			return err
		}
		return f(t.read, func(ctx context.Context, sql string, scan func(pgx.Rows) error, args ...any) error {
			return t.commit(ctx, step{sql, args, scan})
		})
	})
}

// Put implements backends.Backend. It is one round trip where the secret is new,
// or this gateway has met its head.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (out *secret.Secret, err error) {
	const op = "postgres.put"
	if err := s.ready(ctx, op, name.Validate(), history.CheckDraft(&d)); err != nil {
		return nil, failure(op, name, err)
	}
	if d.Value.Len() > MaxValue {
		return nil, failure(op, name, secret.Errorf(secret.TooLarge, "the value is longer than %d bytes", MaxValue))
	}
	o := s.askedFor(ctx, op, name)
	if !d.UID.IsZero() {
		o.uid = d.UID
	}
	var from []byte
	switch {
	case d.If != "":
		from = []byte(d.If)
	case !d.OnlyIfAbsent:
		from = s.heads.get(name).sealed
	}
	err = s.commit(ctx, o, func(ctx context.Context) error {
		return s.alone(ctx, o, func(read, last reader) error {
			if o.tries >= maxRaces && d.If == "" {
				f, err := s.findOnce(ctx, read, name, secret.ByOrdinal(1), false)
				if from = nil; err != nil {
					return err
				} else if f != nil {
					if err := f.refuse(d.OnlyIfAbsent); err != nil {
						return err
					}
					from = f.sealed
				}
			}
			w, made, err := s.nextVersion(o, from, &d)
			if err != nil {
				return err
			}
			switch err = s.run(ctx, last, o, w); {
			case err == nil:
				s.settled(o, w)
				out = made
			case errors.Is(err, errAgain) && d.If != "":
				err = w.stands.moved()
			case errors.Is(err, errAgain):
				if from = w.stands.sealed; from != nil {
					err = cmp.Or(w.stands.refuse(d.OnlyIfAbsent), err)
				}
			}
			return err
		})
	}, func(ctx context.Context, uid secret.UID, ours bool) (bool, error) {
		f, err := s.findOnce(ctx, s.query, name, secret.ByUID(uid), true)
		if err != nil || f == nil || f.deleted || f.version == nil {
			return false, err
		}
		stands := f.head.Secret.Current == f.version.Ordinal || d.KeepCurrent && f.head.Last == f.version.Ordinal
		out = f.head.View(*f.version)
		return ours || stands, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// moved says why what was decided by another state is not done.
func (f *found) moved() error {
	switch {
	case f.sealed == nil:
		return noSecret()
	case f.deleted:
		return secret.Errorf(secret.Trashed, "")
	}
	return secret.Errorf(secret.Conflict, "")
}

// refuse says why no version is added to what stands.
func (f *found) refuse(onlyIfAbsent bool) error {
	switch {
	case f.deleted:
		return secret.Errorf(secret.Trashed, "")
	case onlyIfAbsent:
		return secret.Errorf(secret.AlreadyExists, "")
	}
	return nil
}

// nextVersion makes the state with one more version.
func (s *Store) nextVersion(o *operation, from []byte, d *secret.Draft) (*write, *secret.Secret, error) {
	h, w := history.NewHead(o.name), &write{sql: s.sql.create, from: from}
	var err error
	if from != nil {
		if known := s.heads.get(o.name); bytes.Equal(known.sealed, from) {
			clone := known.head.Clone()
			h = &clone
		} else if h, err = s.openHead(o.name, false, from); err != nil {
			return nil, nil, err
		}
		w.sql = s.sql.add
	}
	v := h.Append(d, o.uid, s.clock.now())
	b := s.sealer.Batch()
	attributes, value, err := b.SealVersion(o.name, &v)
	if err != nil {
		return nil, nil, err
	}
	w.rest, w.head = []any{int64(v.Ordinal), attributes, value}, h
	w.to, err = b.SealHead(h)
	return w, h.View(v), err
}

// Update implements backends.Backend. It touches the version and the head.
func (s *Store) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (out *secret.Secret, err error) {
	const op = "postgres.update"
	if err := s.ready(ctx, op, name.Validate(), history.CheckPatch(&p)); err != nil {
		return nil, failure(op, name, err)
	}
	o := newOperation(op, name)
	err = s.commit(ctx, o, func(ctx context.Context) error {
		return s.alone(ctx, o, func(read, last reader) error {
			f, err := s.find(ctx, read, name, sel, false, false)
			switch {
			case err != nil:
				return err
			case f == nil:
				return noSecret()
			case p.If != "" && p.If != secret.Mark(f.sealed):
				return f.moved()
			case f.version == nil:
				return noVersion()
			}
			h := f.head.Clone()
			if err := h.Patch(f.version, &p, s.clock.now()); err != nil {
				return err
			}
			w := &write{sql: s.sql.patch, from: f.sealed, head: &h}
			b := s.sealer.Batch()
			attributes, err := b.SealAttributes(name, f.version)
			if err != nil {
				return err
			}
			w.rest = []any{int64(f.version.Ordinal), attributes}
			if w.to, err = b.SealHead(&h); err != nil {
				return err
			}
			if err := s.run(ctx, last, o, w); err != nil {
				return err
			}
			s.settled(o, w)
			out = h.View(*f.version)
			return nil
		})
	}, func(ctx context.Context, _ secret.UID, ours bool) (bool, error) {
		if !ours { // the same change made once more
			return false, nil
		}
		f, err := s.find(ctx, s.query, name, sel, false, false)
		if err != nil || f == nil || f.version == nil {
			return false, err
		}
		out = f.head.View(*f.version)
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Forecast implements backends.Backend: only values over MaxValue are lost.
func (*Store) Forecast(in *secret.Secret) []secret.Loss { return loss.OfLongValues(in, MaxValue) }

// Import implements backends.Backend, in one transaction: none is ever
// unfinished, so no token is needed to complete one.
func (s *Store) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	const op = "postgres.import"
	in = loss.Apply(in, s.Forecast(in))
	h, err := history.HeadOf(in)
	if err := s.ready(ctx, op, err); err != nil {
		return nil, failure(op, in.Name, err)
	}
	b := s.sealer.Batch()
	head, err := b.SealHead(h)
	if err != nil {
		return nil, failure(op, in.Name, err)
	}
	o := newOperation(op, in.Name)
	err = s.commit(ctx, o, func(ctx context.Context) error {
		return s.inTx(ctx, beginWrite, func(t *tx) error { return s.copyIn(ctx, t, o, in, head, b) })
	}, func(_ context.Context, _ secret.UID, ours bool) (bool, error) { return ours, nil })
	if err != nil {
		return nil, err
	}
	s.heads.keep(in.Name, cachedHead{sealed: head, head: h})
	done := &backends.Imported{Secret: h.View(in.Versions...).WithoutValues()}
	for i := range in.Versions {
		done.Stands = append(done.Stands, in.Versions[i].Ordinal)
	}
	return done, nil
}

func (s *Store) copyIn(ctx context.Context, t *tx, o *operation, in *secret.Secret, head []byte, b *sealed.Batch) error {
	var made int
	var deleted *bool
	err := t.read(ctx, s.sql.begin, func(rows pgx.Rows) error { return each(rows, []any{&made, &deleted}, nil) }, string(in.Name), head)
	switch {
	case err != nil:
		return err
	case made == 0 && deleted == nil: // it came or went meanwhile
		return errAgain
	case made == 0:
		f := found{deleted: *deleted}
		return f.refuse(true)
	}
	backends.CountCall(ctx)
	rows := pgx.CopyFromSlice(len(in.Versions), func(i int) ([]any, error) {
		v := &in.Versions[i]
		attributes, value, err := b.SealVersion(in.Name, v)
		return []any{string(in.Name), int64(v.Ordinal), v.UID[:], attributes, value}, err
	})
	if _, err := t.conn.CopyFrom(ctx, pgx.Identifier{s.schema, "version"}, []string{"name", "ordinal", "uid", "attributes", "value"}, rows); err != nil {
		return &notSent{s.broken(t.conn, err)}
	}
	return t.commit(ctx, step{sql: s.sql.operation, args: []any{o.id, o.uid[:], o.replaces}})
}

// isTaken reports whether a version has the UID that another was to have.
func isTaken(err error) bool {
	pg, ok := errors.AsType[*pgError](err)
	return ok && pg.Code == "23505" && pg.ConstraintName == "version_uid"
}
