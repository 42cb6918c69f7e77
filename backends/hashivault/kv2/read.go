package kv2

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Get implements backends.Backend.
func (s *Store) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	var out *secret.Secret
	err := s.reading(name, func(at connection.Location) error {
		unlock, err := s.views.RLock(ctx, name)
		if err != nil {
			return err
		}
		defer unlock()
		if sel.IsCurrent() {
			out, err = s.getCurrent(ctx, at, name)
		} else {
			out, err = s.get(ctx, at, name, sel)
		}
		return err
	})
	return out, connection.Named(err, "get", name)
}

// reading runs read and repeats it where a version vanished meanwhile.
func (s *Store) reading(name secret.Name, read func(connection.Location) error) error {
	at, err := s.Locate(name)
	if err != nil {
		return err
	}
	for range 3 {
		if err = read(at); !errors.Is(err, errVanished) {
			return err
		}
	}
	return &secret.Error{Kind: secret.NotFound, Err: err}
}

// get reads the metadata and, at the same time, the version that is most
// likely meant.
func (s *Store) get(ctx context.Context, at connection.Location, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	var st *state
	var guess *dataAnswer[connection.Raw]
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		st, err = s.load(gctx, at, name)
		return err
	})
	if sel.Ordinal > 0 {
		g.Go(func() error {
			if got, err := s.readData(gctx, at.Path, int64(sel.Ordinal)); err == nil {
				guess = got
			}
			return nil // if it matters, the second read will say so
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return s.pick(ctx, st, sel, guess)
}

// pick is the version that sel picks, with its value, which may be in hand.
func (s *Store) pick(ctx context.Context, st *state, sel secret.Selector, inHand *dataAnswer[connection.Raw]) (*secret.Secret, error) {
	if err := st.visible(); err != nil {
		return nil, err
	}
	all, foreign := s.secret(st)
	v := all.Find(sel)
	switch {
	case st.foreign != nil, v == nil && foreign != nil:
		return nil, foreign
	case v == nil:
		return nil, errNoVersion()
	}
	number := st.numberOf(v.Ordinal)
	if _, _, err := st.entryOf(number); err != nil {
		return nil, err
	}
	out := all.Only(v.Ordinal)
	return out, s.value(ctx, st, number, &out.Versions[0], inHand)
}

// Describe implements backends.Backend.
func (s *Store) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.One(ctx, "describe", name, s.describe)
}

// List implements backends.Backend.
func (s *Store) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	if q.NamesAlone {
		return s.NamePage(ctx, q)
	}
	return s.Page(ctx, "list", q, func(ctx context.Context, at connection.Location, name secret.Name) (kit.Resolved, error) {
		r, err := s.resolve(ctx, at, name)
		if q.WithTrash && kit.Is(err, secret.NotFound) {
			r.Secret, err = s.describeTrash(ctx, at, name)
		}
		return r, err
	})
}

// What is said of secrets that lists leave out.
const (
	howToEnd       = "the same restore again finishes it, and vault kv metadata delete removes it"
	howToReadEmpty = "native tools deleted or destroyed every version; a backup can read those that are deleted, and not those that are destroyed"
	bareKey        = "native tools gave the key settings or custom_metadata, and no version; no backup holds these"
)

// resolve is what a list shows of a live secret. It leaves out one whose
// versions native tools have all deleted or destroyed, for a Get finds nothing
// there: Describe and Export still show it. A key that never had a version is
// left out likewise if it holds something that native tools set.
func (s *Store) resolve(ctx context.Context, at connection.Location, name secret.Name) (kit.Resolved, error) {
	st, out, err := s.describeState(ctx, at, name)
	switch {
	case st != nil && st.unfinished():
		return kit.Resolved{LeftOut: &secret.LeftOut{Why: secret.LeftOutUnfinished, Name: name, Detail: howToEnd}}, nil
	case st != nil && st.bare():
		return kit.Resolved{LeftOut: &secret.LeftOut{Why: secret.LeftOutEmpty, Name: name, Detail: bareKey}}, nil
	case err != nil:
		return kit.Resolved{}, err
	}
	for _, n := range st.numbers {
		if st.fact(n).missing(s.Now()) == "" {
			return kit.Resolved{Secret: out}, nil
		}
	}
	return kit.Resolved{LeftOut: &secret.LeftOut{Why: secret.LeftOutEmpty, Name: name, Detail: howToReadEmpty}}, nil
}

// describe is for readers who get no value: foreign attributes are logged,
// and the product's own facts shown, so that one such secret hides no other.
func (s *Store) describe(ctx context.Context, at connection.Location, name secret.Name) (*secret.Secret, error) {
	_, out, err := s.describeState(ctx, at, name)
	return out, err
}

// describeState returns the state beside NotFound, too.
func (s *Store) describeState(ctx context.Context, at connection.Location, name secret.Name) (*state, *secret.Secret, error) {
	st, out, err := s.snapshot(ctx, at, name, s.load)
	if out == nil {
		return st, nil, err
	}
	if err != nil {
		s.Warn(ctx, "attributes of a secret cannot be read", "name", name, "error", err)
	}
	return st, out, nil
}

// snapshot reads one consistent state without values. With an error and a
// secret, some of its attributes are foreign.
func (s *Store) snapshot(ctx context.Context, at connection.Location, name secret.Name, load func(context.Context, connection.Location, secret.Name) (*state, error)) (*state, *secret.Secret, error) {
	unlock, err := s.views.RLock(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	st, err := load(ctx, at, name)
	if err != nil {
		return nil, nil, err
	}
	if err := st.visible(); err != nil {
		return st, nil, err
	}
	out, err := s.secret(st)
	st.complete(out, s.Now())
	return st, out, err
}

// Export implements backends.Backend. Versions never change once written, so
// the state is that of the one moment at which the metadata was read.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	var out *secret.Secret
	err := s.reading(name, func(at connection.Location) error {
		var newest *dataAnswer[connection.Raw]
		st, all, err := s.snapshot(ctx, at, name, func(ctx context.Context, at connection.Location, name secret.Name) (st *state, err error) {
			st, newest, err = s.loadToRead(ctx, at, name)
			return st, err
		})
		if err != nil {
			return err
		}
		out = all
		return s.values(ctx, st, all, newest)
	})
	if err != nil {
		return nil, connection.Named(err, "export", name)
	}
	return out, nil
}

// values reads all that are not in hand.
func (s *Store) values(ctx context.Context, st *state, all *secret.Secret, newest *dataAnswer[connection.Raw]) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(connection.InFlight)
	for i, number := range st.numbers {
		g.Go(func() error { return s.value(ctx, st, number, &all.Versions[i], newest) })
	}
	return g.Wait()
}
