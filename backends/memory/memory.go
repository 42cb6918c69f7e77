// Package memory is a store that lives as long as its process: the reference
// for what package backends asks, and the stores of the demo.
package memory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Options are what tests fix so that two runs agree to the byte.
type Options struct {
	Now    func() time.Time  // default: time.Now
	NewUID func() secret.UID // default: secret.NewUID
}

// Store is a backend in memory. The zero Store is not ready; call New.
type Store struct {
	opt     Options
	mu      sync.RWMutex
	secrets map[secret.Name]*entry
	names   []secret.Name // sorted
}

// entry is never changed once it is in the map: a writer puts a new one in its
// place, so readers copy outside the lock.
type entry struct {
	head     backends.Head
	versions []secret.Version // without stages
}

// New returns an empty store.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewUID == nil {
		o.NewUID = secret.NewUID
	}
	return &Store{opt: o, secrets: map[secret.Name]*entry{}}
}

// Capabilities implements backends.Backend.
func (*Store) Capabilities() backends.Capabilities {
	return backends.Capabilities{Product: "memory", AtomicCreate: true, AtomicImport: true, KeepsCurrent: true, KeepsEmptyTags: true}
}

// Put implements backends.Backend.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if err := begin(ctx, "memory.put", name); err != nil {
		return nil, err
	}
	if err := errors.Join(name.Validate(), backends.CheckDraft(&d)); err != nil {
		return nil, named(err, "memory.put", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.secrets[name]
	if old != nil && d.OnlyIfAbsent {
		return nil, &secret.Error{Kind: secret.AlreadyExists, Op: "memory.put", Name: name}
	}
	e := old.successor(name)
	v := e.head.Append(&d, s.freeUID(e, d.UID), s.opt.Now())
	e.versions = append(e.versions, v)
	s.keep(name, e)
	return e.head.View(v), nil
}

// successor returns an entry to change. Appending to its versions never
// reaches what readers of e see, for they stop at e's own length.
func (e *entry) successor(name secret.Name) *entry {
	if e == nil {
		return &entry{head: *backends.NewHead(name)}
	}
	return &entry{head: e.head.Clone(), versions: e.versions}
}

func (s *Store) freeUID(e *entry, want secret.UID) secret.UID {
	for want.IsZero() || e.index(secret.ByUID(want)) >= 0 {
		want = s.opt.NewUID()
	}
	return want
}

// keep makes e the entry of name. The caller holds the lock.
func (s *Store) keep(name secret.Name, e *entry) {
	if s.secrets[name] == nil {
		i, _ := slices.BinarySearch(s.names, name)
		s.names = slices.Insert(s.names, i, name)
	}
	s.secrets[name] = e
}

// Get implements backends.Backend.
func (s *Store) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	e, err := s.find(ctx, "memory.get", name)
	if err != nil {
		return nil, err
	}
	i := e.index(sel)
	if i < 0 {
		return nil, &secret.Error{Kind: secret.NotFound, Op: "memory.get", Name: name, Detail: "no such version"}
	}
	return e.head.View(e.versions[i]), nil
}

func (e *entry) index(sel secret.Selector) int {
	if sel.IsCurrent() {
		sel = secret.ByOrdinal(e.head.Secret.Current)
	}
	if sel.Ordinal != 0 {
		i, ok := slices.BinarySearchFunc(e.versions, sel.Ordinal, func(v secret.Version, o secret.Ordinal) int {
			return cmp.Compare(v.Ordinal, o)
		})
		if !ok {
			return -1
		}
		return i
	}
	return slices.IndexFunc(e.versions, func(v secret.Version) bool { return !sel.UID.IsZero() && v.UID == sel.UID })
}

// Describe implements backends.Backend.
func (s *Store) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	e, err := s.find(ctx, "memory.describe", name)
	if err != nil {
		return nil, err
	}
	return e.head.View(e.versions...).WithoutValues(), nil
}

// Export implements backends.Backend.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	e, err := s.find(ctx, "memory.export", name)
	if err != nil {
		return nil, err
	}
	return e.head.View(e.versions...), nil
}

func (s *Store) find(ctx context.Context, op string, name secret.Name) (*entry, error) {
	if err := begin(ctx, op, name); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.secrets[name]; e != nil {
		return e, nil
	}
	return nil, &secret.Error{Kind: secret.NotFound, Op: op, Name: name}
}

// maxPage bounds a page whatever its Limit.
const maxPage = 1000

// List implements backends.Backend.
func (s *Store) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	if err := begin(ctx, "memory.list", ""); err != nil {
		return secret.Page{}, err
	}
	limit := maxPage
	if q.Limit > 0 {
		limit = min(q.Limit, maxPage)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	from, found := slices.BinarySearch(s.names, q.After)
	if found {
		from++
	}
	to := min(from+limit, len(s.names))
	var p secret.Page
	for _, name := range s.names[from:to] {
		e := s.secrets[name]
		var current []secret.Version
		if i := e.index(secret.Current); i >= 0 {
			current = e.versions[i : i+1]
		}
		p.Secrets = append(p.Secrets, e.head.View(current...).WithoutValues())
	}
	if to < len(s.names) {
		p.Next = s.names[to-1]
	}
	return p, nil
}

// Forecast implements backends.Backend: memory holds everything.
func (*Store) Forecast(*secret.Secret) []secret.Loss { return nil }

// Import implements backends.Backend. None is ever unfinished, so no token is
// needed to complete one.
func (s *Store) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	if err := begin(ctx, "memory.import", in.Name); err != nil {
		return nil, err
	}
	head, err := backends.HeadOf(in)
	if err != nil {
		return nil, named(err, "memory.import", in.Name)
	}
	e := &entry{head: *head, versions: in.Clone().Versions}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.secrets[in.Name] != nil {
		return nil, &secret.Error{Kind: secret.AlreadyExists, Op: "memory.import", Name: in.Name}
	}
	s.keep(in.Name, e)
	done := &backends.Imported{Secret: e.head.View(e.versions...).WithoutValues()}
	for i := range e.versions {
		done.Stands = append(done.Stands, e.versions[i].Ordinal)
	}
	return done, nil
}

// Check implements backends.Backend.
func (*Store) Check(ctx context.Context) error { return begin(ctx, "memory.check", "") }

// Close implements backends.Backend. What is in the store stays readable.
func (*Store) Close() error { return nil }

// begin counts the call and refuses one whose caller has gone.
func begin(ctx context.Context, op string, name secret.Name) error {
	if err := ctx.Err(); err != nil {
		return &secret.Error{Kind: secret.Unavailable, Op: op, Name: name, Err: err}
	}
	backends.Tick(ctx)
	return nil
}

func named(err error, op string, name secret.Name) error {
	return &secret.Error{Kind: secret.KindOf(err), Op: op, Name: name, Detail: secret.DetailOf(err)}
}
