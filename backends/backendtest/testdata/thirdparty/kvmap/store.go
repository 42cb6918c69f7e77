// Package kvmap is a backend that somebody else wrote, in a module of their
// own, for a product that knows nothing but keys and values. It is the shortest
// way to a whole backend: copy it and put your product in the place of Map.
//
// Each secret is one entry: what package sidecar keeps of it, and its values.
// Every verb reads the entry, asks package history for the next state and
// writes it back.
package kvmap

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Map stands for the product: keys and values, and nothing else.
type Map map[string]string

// Store is a backends.Backend over a Map.
type Store struct {
	mu  sync.Mutex // the product has no transactions
	kv  Map
	now func() time.Time
}

var _ backends.Backend = (*Store)(nil)

// New returns a store over the map.
func New(kv Map) *Store { return &Store{kv: kv, now: time.Now} }

// Capabilities implements backends.Backend.
func (*Store) Capabilities() backends.Capabilities {
	return backends.Capabilities{Product: "a key-value map", AtomicCreate: true, AtomicImport: true}
}

// Put implements backends.Backend.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	return s.change(ctx, "put", name, func(st *history.State) (*history.State, *secret.Secret, error) {
		if err := errors.Join(name.Validate(), history.CheckDraft(&d), taken(st, d.OnlyIfAbsent)); err != nil {
			return nil, nil, err
		}
		if st == nil {
			st = &history.State{Head: *history.NewHead(name)}
		}
		v := st.Append(&d, s.now())
		return st, st.View().Only(v.Ordinal), nil
	})
}

// taken refuses a write to what is there.
func taken(st *history.State, onlyIfAbsent bool) error {
	switch {
	case st != nil && st.Secret.Deleted != nil:
		return secret.Trashed
	case st != nil && onlyIfAbsent:
		return secret.AlreadyExists
	}
	return nil
}

// Update implements backends.Backend.
func (s *Store) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	return s.change(ctx, "update", name, func(st *history.State) (*history.State, *secret.Secret, error) {
		if err := errors.Join(history.CheckPatch(&p), there(st, false)); err != nil {
			return nil, nil, err
		}
		o, err := st.Patch(sel, &p, s.now())
		return st, st.View().Only(o).WithoutValues(), err
	})
}

// there refuses what is absent, or not in the trash where it should be.
func there(st *history.State, deleted bool) error {
	if st == nil || (st.Secret.Deleted != nil) != deleted {
		return secret.NotFound
	}
	return nil
}

// Get implements backends.Backend.
func (s *Store) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	all, err := s.read(ctx, "get", name, false)
	if err != nil {
		return nil, err
	}
	if v := all.Find(sel); v != nil {
		return all.Only(v.Ordinal), nil
	}
	return nil, failure("get", name, secret.NotFound)
}

// Export implements backends.Backend.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.read(ctx, "export", name, false)
}

// Describe implements backends.Backend.
func (s *Store) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return withoutValues(s.read(ctx, "describe", name, false))
}

// DescribeTrash implements backends.Backend.
func (s *Store) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return withoutValues(s.read(ctx, "describe_trash", name, true))
}

func withoutValues(s *secret.Secret, err error) (*secret.Secret, error) {
	if err != nil {
		return nil, err
	}
	return s.WithoutValues(), nil
}

// List implements backends.Backend.
func (s *Store) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.list(ctx, q, func(d *secret.Deletion) bool { return d == nil || q.WithTrash })
}

// ListTrash implements backends.Backend.
func (s *Store) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.list(ctx, q, func(d *secret.Deletion) bool { return d != nil })
}

func (s *Store) list(ctx context.Context, q secret.Query, want func(*secret.Deletion) bool) (secret.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := kit.Begin(ctx); err != nil {
		return secret.Page{}, failure("list", "", err)
	}
	var all []*secret.Secret
	for key, text := range s.kv {
		st, err := decode(secret.Name(key), text)
		if err != nil {
			return secret.Page{}, failure("list", secret.Name(key), err)
		}
		if want(st.Secret.Deleted) {
			all = append(all, st.View().Only(st.Secret.Current).WithoutValues())
		}
	}
	return kit.PageOf(q, all, 1000), nil
}

// Forecast implements backends.Backend: nothing is lost.
func (*Store) Forecast(*secret.Secret) []secret.Loss { return nil }

// Import implements backends.Backend. None is ever unfinished, so no token is
// needed to complete one.
func (s *Store) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	all, err := s.change(ctx, "import", in.Name, func(st *history.State) (*history.State, *secret.Secret, error) {
		fresh, err := history.StateOf(in)
		if err = errors.Join(err, taken(st, true)); err != nil {
			return nil, nil, err
		}
		return fresh, fresh.View(), nil
	})
	if err != nil {
		return nil, err
	}
	return kit.Imported(all), nil
}

// Delete implements backends.Backend.
func (s *Store) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	return s.move(ctx, "delete", name, &secret.Deletion{At: s.now().UTC(), Purge: purge})
}

// Recover implements backends.Backend.
func (s *Store) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.move(ctx, "recover", name, nil)
}

// move puts a live secret into the trash, or takes one out of it.
func (s *Store) move(ctx context.Context, op string, name secret.Name, to *secret.Deletion) (*secret.Secret, error) {
	return s.change(ctx, op, name, func(st *history.State) (*history.State, *secret.Secret, error) {
		if err := there(st, to == nil); err != nil {
			return nil, nil, err
		}
		st.Secret.Deleted = to
		return st, st.View().WithoutValues(), nil
	})
}

// Purge implements backends.Backend.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	_, err := s.change(ctx, "purge", name, func(st *history.State) (*history.State, *secret.Secret, error) {
		return nil, nil, there(st, true)
	})
	return err
}

// Check implements backends.Backend.
func (*Store) Check(ctx context.Context) error { return failure("check", "", kit.Begin(ctx)) }

// Close implements backends.Backend.
func (*Store) Close() error { return nil }

// change reads the entry, nil where there is none, writes what next makes of
// it, where nil removes it, and returns what next says of it.
func (s *Store) change(ctx context.Context, op string, name secret.Name,
	next func(*history.State) (*history.State, *secret.Secret, error),
) (*secret.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out *secret.Secret
	st, err := s.load(ctx, name)
	if err == nil {
		st, out, err = next(st)
	}
	switch {
	case err != nil:
		return nil, failure(op, name, err)
	case st == nil:
		delete(s.kv, string(name))
	default:
		s.kv[string(name)] = encode(st)
	}
	return out, nil
}

func (s *Store) read(ctx context.Context, op string, name secret.Name, deleted bool) (*secret.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.load(ctx, name)
	if err == nil {
		err = there(st, deleted)
	}
	if err != nil {
		return nil, failure(op, name, err)
	}
	return st.View(), nil
}

func (s *Store) load(ctx context.Context, name secret.Name) (*history.State, error) {
	if err := kit.Begin(ctx); err != nil {
		return nil, err
	}
	text, there := s.kv[string(name)]
	if !there {
		return nil, nil
	}
	return decode(name, text)
}

func failure(op string, name secret.Name, err error) error {
	if err == nil {
		return nil
	}
	return kit.Op{Backend: "kvmap", Product: "the map", What: op, Name: name}.Error(secret.KindOf(err), secret.DetailOf(err), secret.Cause(err))
}
