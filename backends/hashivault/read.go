package hashivault

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/secret"
)

// Get implements backends.Backend.
func (s *Store) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	var out *secret.Secret
	err := s.reading(ctx, name, func(at place) (err error) {
		out, err = s.get(ctx, at, name, sel)
		return err
	})
	return out, as(err, "get", name)
}

// reading runs read and repeats it where a version vanished meanwhile.
func (s *Store) reading(ctx context.Context, name secret.Name, read func(place) error) error {
	if err := begin(ctx); err != nil {
		return err
	}
	at, err := s.place(name)
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
func (s *Store) get(ctx context.Context, at place, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	unlock, err := s.locks.read(ctx, at.path)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var st *state
	var guess *dataAnswer[member]
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		st, err = s.load(gctx, at)
		return err
	})
	if sel.Ordinal > 0 || sel.IsCurrent() {
		g.Go(func() error {
			if got, err := s.readData(gctx, at.path, int64(sel.Ordinal)); err == nil {
				guess = got
			}
			return nil // if it matters, the second read will say so
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := st.visible(); err != nil {
		return nil, err
	}
	all, foreign := s.secret(st, name)
	v := all.Find(sel)
	switch {
	case st.foreign != nil, v == nil && foreign != nil:
		return nil, foreign
	case v == nil:
		return nil, &secret.Error{Kind: secret.NotFound, Detail: "no such version"}
	}
	number := st.numberOf(v.Ordinal)
	if _, _, err := st.record(number); err != nil {
		return nil, err
	}
	out := all.Only(v.Ordinal)
	return out, s.value(ctx, st, number, &out.Versions[0], guess)
}

// Describe implements backends.Backend.
func (s *Store) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	var out *secret.Secret
	err := s.reading(ctx, name, func(at place) (err error) {
		out, err = s.described(ctx, at, name)
		return err
	})
	return out, as(err, "describe", name)
}

// described is for readers who get no value: foreign attributes are logged,
// and the product's own facts shown, so that one such secret hides no other.
func (s *Store) described(ctx context.Context, at place, name secret.Name) (*secret.Secret, error) {
	_, out, err := s.snapshot(ctx, at, name, s.load)
	if out == nil {
		return nil, err
	}
	if err != nil && s.log != nil {
		s.log.WarnContext(ctx, "attributes of a secret cannot be read", "store", s.store, "name", name, "error", err)
	}
	return out, nil
}

// snapshot reads one consistent state without values. With an error and a
// secret, some of its attributes are foreign.
func (s *Store) snapshot(ctx context.Context, at place, name secret.Name, load func(context.Context, place) (*state, error)) (*state, *secret.Secret, error) {
	unlock, err := s.locks.read(ctx, at.path)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	st, err := load(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	if err := st.visible(); err != nil {
		return nil, nil, err
	}
	out, err := s.secret(st, name)
	return st, out, err
}

// Export implements backends.Backend. Versions never change once written, so
// the state is that of the one moment at which the metadata was read.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	var out *secret.Secret
	err := s.reading(ctx, name, func(at place) error {
		var newest *dataAnswer[member]
		st, all, err := s.snapshot(ctx, at, name, func(ctx context.Context, at place) (st *state, err error) {
			st, newest, err = s.loadToRead(ctx, at)
			return st, err
		})
		if err != nil {
			return err
		}
		out = all
		return s.values(ctx, st, all, newest)
	})
	if err != nil {
		return nil, as(err, "export", name)
	}
	return out, nil
}

// values reads all that are not in hand.
func (s *Store) values(ctx context.Context, st *state, all *secret.Secret, newest *dataAnswer[member]) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i, number := range st.numbers {
		g.Go(func() error { return s.value(ctx, st, number, &all.Versions[i], newest) })
	}
	return g.Wait()
}
