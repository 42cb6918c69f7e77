package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
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
}

// run tries the write: errAgain where another state stands, which o then knows.
func (s *Store) run(ctx context.Context, query reader, o *operation, w *write) error {
	var salt []byte
	if w.from != nil {
		salt = w.from[:min(len(w.from), sealed.SaltSize)]
	}
	var made bool
	var now time.Time
	var stands found
	sent := time.Now()
	err := query(ctx, step{
		sql:  w.sql,
		args: append([]any{string(o.name), salt, w.to, w.deleted, o.id, o.uid[:], o.replaces}, w.rest...),
		into: []any{&made, &stands.sealed, &stands.deleted, &now},
	})
	switch {
	case isTakenUID(err):
		return errTaken
	case err != nil:
		return err
	}
	s.clock.observe(sent, now)
	if !made {
		o.stands = &stands
		return errAgain
	}
	return nil
}

// settled tells the cache of heads how a write came out.
func (s *Store) settled(o *operation, w *write) {
	if w.deleted || w.head == nil {
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
		return f(s.read, s.write)
	}
	return s.inTx(ctx, beginWrite, func(t *tx) error {
		if err := t.read(ctx, step{sql: s.sql.lock, args: []any{string(o.name)}}); err != nil {
			return err
		}
		return f(t.read, func(ctx context.Context, st step) error { return t.commit(ctx, st) })
	})
}

// change commits what next makes of what find has found. See commit for stands.
func (s *Store) change(ctx context.Context, o *operation, find func(context.Context, reader) (*found, error), next func(*found) (*write, error), stands standsFunc) error {
	return s.commit(ctx, o, func(ctx context.Context) error {
		return s.alone(ctx, o, func(read, last reader) error {
			f, err := find(ctx, read)
			if err != nil {
				return err
			}
			w, err := next(f)
			if err == nil {
				err = s.run(ctx, last, o, w)
			}
			if err == nil {
				s.settled(o, w)
			}
			return err
		})
	}, stands)
}

// Put implements backends.Backend. It is one round trip where the secret is new,
// or this gateway has met its head.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (out *secret.Secret, err error) {
	const op = "postgres.put"
	o := s.askedFor(ctx, op, name)
	if !d.UID.IsZero() {
		o.uid = d.UID
	}
	if !d.OnlyIfAbsent && d.If == "" {
		o.stands = &found{sealed: s.heads.get(name).sealed}
	}
	find := func(ctx context.Context, read reader) (f *found, err error) {
		switch f = o.stands; {
		case d.If != "" && f != nil:
			return nil, f.moved()
		case d.If != "":
			f = &found{sealed: []byte(d.If)}
		case o.tries >= maxRaces:
			f, err = s.findOnce(ctx, read, name, secret.ByOrdinal(1), false)
		}
		if f == nil {
			f = new(found)
		}
		return f, errors.Join(err, f.refuse(d.OnlyIfAbsent))
	}
	next := func(f *found) (*write, error) {
		w, v, err := s.nextVersion(o, f.sealed, &d)
		if err == nil {
			out = w.head.View(*v)
		}
		return w, err
	}
	err = s.do(ctx, op, name, func() error {
		return s.change(ctx, o, find, next, func(ctx context.Context, uid secret.UID, ours bool) (bool, error) {
			f, err := s.findOnce(ctx, s.read, name, secret.ByUID(uid), true)
			if err != nil || f == nil || f.deleted || len(f.versions) == 0 {
				return false, err
			}
			out = f.view()
			o := f.versions[0].Ordinal
			return ours || f.head.Secret.Current == o || d.KeepCurrent && f.head.Last == o, nil
		})
	}, name.Validate(), history.CheckDraft(&d), history.CheckLengths(MaxValue, d))
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
	case f.sealed == nil:
	case f.deleted:
		return secret.Errorf(secret.Trashed, "")
	case onlyIfAbsent:
		return secret.Errorf(secret.AlreadyExists, "")
	}
	return nil
}

// nextVersion makes the state with one more version.
func (s *Store) nextVersion(o *operation, from []byte, d *secret.Draft) (*write, *secret.Version, error) {
	h, w := history.NewHead(o.name), &write{sql: s.sql.create, from: from}
	if from != nil {
		known, err := s.openHead(s.heads.get(o.name), o.name, false, from)
		if err != nil {
			return nil, nil, err
		}
		clone := known.Clone()
		h, w.sql = &clone, s.sql.add
	}
	v := h.Append(d, o.uid, s.clock.now())
	b := s.sealer.Batch()
	attributes, value, err := b.SealVersion(o.name, &v)
	if err != nil {
		return nil, nil, err
	}
	w.rest, w.head = []any{int64(v.Ordinal), attributes, value}, h
	w.to, err = b.SealHead(h)
	return w, &v, err
}

// Update implements backends.Backend. It touches the version and the head.
func (s *Store) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (out *secret.Secret, err error) {
	const op = "postgres.update"
	o := newOperation(op, name)
	find := func(ctx context.Context, read reader) (*found, error) {
		return s.find(ctx, read, name, sel, p.If, false)
	}
	next := func(f *found) (*write, error) {
		h, v := f.head.Clone(), &f.versions[0]
		if err := h.Patch(v, &p, s.clock.now()); err != nil {
			return nil, err
		}
		out = h.View(*v)
		b := s.sealer.Batch()
		attributes, err := b.SealAttributes(name, v)
		if err != nil {
			return nil, err
		}
		w := &write{sql: s.sql.patch, from: f.sealed, head: &h, rest: []any{int64(v.Ordinal), attributes}}
		w.to, err = b.SealHead(&h)
		return w, err
	}
	err = s.do(ctx, op, name, func() error {
		return s.change(ctx, o, find, next, func(ctx context.Context, _ secret.UID, ours bool) (bool, error) {
			if !ours { // the same change made once more
				return false, nil
			}
			f, err := s.find(ctx, s.read, name, sel, "", false)
			if err == nil {
				out = f.view()
			}
			return isThere(err)
		})
	}, name.Validate(), history.CheckPatch(&p))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// isThere is what err, of a look, says of what was looked for.
func isThere(err error) (bool, error) {
	if errors.Is(err, secret.NotFound) {
		return false, nil
	}
	return err == nil, err
}
