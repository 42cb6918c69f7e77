// Package memory is a store that lives as long as its process: the reference
// for what package backends asks, and the stores of the demo.
package memory

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Options are what tests fix so that two runs agree to the byte.
type Options struct {
	Now    func() time.Time  // default: time.Now
	NewUID func() secret.UID // default: secret.NewUID
}

// Store is a backend in memory. The zero Store is not ready; call New.
type Store struct {
	opt   Options
	mu    sync.RWMutex
	live  shelf
	trash shelf // of names that are not live
	state map[string]stateRecord
	marks int64 // that were given
}

// entry is never changed once it is on a shelf: a writer puts a new one in its
// place, so readers copy outside the lock.
type entry struct {
	mark     secret.Mark // of no other entry of the store; set once it is on a shelf
	head     history.Head
	versions []secret.Version // without stages
	sorting  sync.Once
	sorted   []int // indices of versions by UID, from the first page that wants them on
}

// New returns an empty store.
func New(o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewUID == nil {
		o.NewUID = secret.NewUID
	}
	return &Store{opt: o, live: newShelf(), trash: newShelf(), state: map[string]stateRecord{}}
}

// Capabilities implements backends.Backend.
func (*Store) Capabilities() backends.Capabilities {
	return backends.Capabilities{Product: "memory", AtomicCreate: true, AtomicImport: true}
}

// Put implements backends.Backend.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	return s.put(ctx, name, d, anyVersion)
}

// admit says whether e may stand in the place of old, which is nil where
// nothing stands. It may change e.
type admit func(old, e *entry) error

func anything(_, _ *entry) error { return nil }

// admitVersion is admit for e with the version of d, its newest one.
type admitVersion func(d *secret.Draft, old, e *entry) error

func anyVersion(*secret.Draft, *entry, *entry) error { return nil }

func (s *Store) put(ctx context.Context, name secret.Name, d secret.Draft, ok admitVersion) (*secret.Secret, error) {
	if err := begin(ctx, "memory.put", name); err != nil {
		return nil, err
	}
	if err := errors.Join(name.Validate(), history.CheckDraft(&d)); err != nil {
		return nil, named(err, "memory.put", name)
	}
	return s.add(name, "memory.put", []secret.Draft{d}, d.If, ok)
}

// Append implements backends.Marker.
func (s *Store) Append(ctx context.Context, name secret.Name, only secret.Mark, versions []secret.Draft) (*secret.Secret, error) {
	return s.append(ctx, name, only, versions, anyVersion)
}

func (s *Store) append(ctx context.Context, name secret.Name, only secret.Mark, ds []secret.Draft, ok admitVersion) (*secret.Secret, error) {
	if err := begin(ctx, "memory.append", name); err != nil {
		return nil, err
	}
	if err := errors.Join(name.Validate(), history.CheckDrafts(ds)); err != nil {
		return nil, named(err, "memory.append", name)
	}
	out, err := s.add(name, "memory.append", ds, only, func(d *secret.Draft, old, e *entry) error {
		if v := e.versions[len(e.versions)-1]; !d.UID.IsZero() && v.UID != d.UID {
			return history.TakenUID()
		}
		return ok(d, old, e)
	})
	if err != nil {
		return nil, err
	}
	return out.WithoutValues(), nil
}

// add adds the versions, all or none, and returns the secret with them.
func (s *Store) add(name secret.Name, op string, ds []secret.Draft, only secret.Mark, ok admitVersion) (*secret.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stands := s.live.entries[name]
	switch {
	case s.trash.entries[name] != nil:
		return nil, &secret.Error{Kind: secret.Trashed, Op: op, Name: name}
	case stands != nil && ds[0].OnlyIfAbsent:
		return nil, &secret.Error{Kind: secret.AlreadyExists, Op: op, Name: name}
	}
	if err := stands.refuse(op, name, only); err != nil {
		return nil, err
	}
	e, added := stands, make([]secret.Version, 0, len(ds))
	for i := range ds {
		old := e
		e = old.successor(name)
		v := e.head.Append(&ds[i], s.freeUID(e, ds[i].UID), s.opt.Now())
		e.versions = append(e.versions, v)
		if err := ok(&ds[i], old, e); err != nil {
			return nil, named(err, op, name)
		}
		added = append(added, v)
	}
	s.keep(&s.live, name, e)
	return e.head.View(added...), nil
}

// keep puts e on a shelf, as a state with a mark of its own.
func (s *Store) keep(on *shelf, name secret.Name, e *entry) {
	s.marks++
	e.mark = secret.Mark(strconv.FormatInt(s.marks, 10))
	on.keep(name, e)
}

// successor returns an entry to change. Appending to its versions never
// reaches what readers of e see, for they stop at e's own length.
func (e *entry) successor(name secret.Name) *entry {
	if e == nil {
		return &entry{head: *history.NewHead(name)}
	}
	return &entry{head: e.head.Clone(), versions: e.versions}
}

// freeUID returns want, where no version has it, else a new one. A new one is
// random: it is not looked for among thousands of versions.
func (s *Store) freeUID(e *entry, want secret.UID) secret.UID {
	if want.IsZero() || e.index(secret.ByUID(want)) >= 0 {
		return s.opt.NewUID()
	}
	return want
}

// Get implements backends.Backend.
func (s *Store) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	e, err := s.find(ctx, "memory.get", name, &s.live)
	if err != nil {
		return nil, err
	}
	i := e.index(sel)
	if i < 0 {
		return nil, &secret.Error{Kind: secret.NotFound, Op: "memory.get", Name: name, Detail: "no such version"}
	}
	return e.head.View(e.versions[i : i+1]...), nil
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
	e, err := s.find(ctx, "memory.describe", name, &s.live)
	if err != nil {
		return nil, err
	}
	return e.described(e.versions...), nil
}

// DescribeMarked implements backends.Marker.
func (s *Store) DescribeMarked(ctx context.Context, name secret.Name) (*secret.Secret, secret.Mark, error) {
	e, err := s.find(ctx, "memory.describe", name, &s.live)
	if err != nil {
		return nil, "", err
	}
	return e.described(e.versions...), e.mark, nil
}

// refuse tells why what was decided by the state with that mark is not done to e,
// which is nil where nothing stands.
func (e *entry) refuse(op string, name secret.Name, only secret.Mark) error {
	switch {
	case only == "":
		return nil
	case e == nil:
		return &secret.Error{Kind: secret.NotFound, Op: op, Name: name}
	case e.mark != only:
		return &secret.Error{Kind: secret.Conflict, Op: op, Name: name}
	}
	return nil
}

// described is e with the given versions, without their values.
func (e *entry) described(vs ...secret.Version) *secret.Secret {
	s := e.head.View(vs...)
	for i := range s.Versions {
		s.Versions[i].Value = secret.Value{}
	}
	return s
}

// Export implements backends.Backend.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	e, err := s.find(ctx, "memory.export", name, &s.live)
	if err != nil {
		return nil, err
	}
	return e.head.View(e.versions...), nil
}

func (s *Store) find(ctx context.Context, op string, name secret.Name, on *shelf) (*entry, error) {
	if err := begin(ctx, op, name); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := on.entries[name]; e != nil {
		return e, nil
	}
	return nil, &secret.Error{Kind: secret.NotFound, Op: op, Name: name}
}

// List implements backends.Backend.
func (s *Store) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.list(ctx, "memory.list", q, &s.live)
}

func (s *Store) list(ctx context.Context, op string, q secret.Query, on *shelf) (secret.Page, error) {
	if err := begin(ctx, op, ""); err != nil {
		return secret.Page{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q.WithTrash && on == &s.live {
		return kit.JoinPages(q.Limit, s.live.page(q), s.trash.page(q)), nil
	}
	return on.page(q), nil
}

// Forecast implements backends.Backend: memory holds everything.
func (*Store) Forecast(*secret.Secret) []secret.Loss { return nil }

// Import implements backends.Backend. None is ever unfinished, so no token is
// needed to complete one.
func (s *Store) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	return s.place(ctx, in, in.Newest())
}

// place makes a new secret whose next version comes after last, if there is
// one, whether that stands or not.
func (s *Store) place(ctx context.Context, in *secret.Secret, last *secret.Version) (*backends.Imported, error) {
	if err := begin(ctx, "memory.import", in.Name); err != nil {
		return nil, err
	}
	head, err := history.HeadOf(in)
	if err != nil {
		return nil, named(err, "memory.import", in.Name)
	}
	if last != nil {
		head.Last = max(head.Last, last.Ordinal)
	}
	e := &entry{head: *head, versions: in.Clone().Versions}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.trash.entries[in.Name] != nil:
		return nil, &secret.Error{Kind: secret.Trashed, Op: "memory.import", Name: in.Name}
	case s.live.entries[in.Name] != nil:
		return nil, &secret.Error{Kind: secret.AlreadyExists, Op: "memory.import", Name: in.Name}
	}
	s.keep(&s.live, in.Name, e)
	return kit.Imported(e.head.View(e.versions...)), nil
}

// Check implements backends.Backend.
func (*Store) Check(ctx context.Context) error { return begin(ctx, "memory.check", "") }

// Close implements backends.Backend. What is in the store stays readable.
func (*Store) Close() error { return nil }

// begin counts the call and refuses one whose caller has gone.
func begin(ctx context.Context, op string, name secret.Name) error {
	if err := kit.Begin(ctx); err != nil {
		return &secret.Error{Kind: secret.Unavailable, Op: op, Name: name, Err: secret.Cause(err)}
	}
	return nil
}

func named(err error, op string, name secret.Name) error {
	return &secret.Error{Kind: secret.KindOf(err), Op: op, Name: name, Detail: secret.DetailOf(err)}
}
