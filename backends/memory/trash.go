package memory

import (
	"context"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// Update implements backends.Backend.
func (s *Store) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	return s.update(ctx, name, sel, p, anything)
}

func (s *Store) update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch, ok admit) (*secret.Secret, error) {
	const op = "memory.update"
	if err := begin(ctx, op, name); err != nil {
		return nil, err
	}
	if err := history.CheckPatch(&p); err != nil {
		return nil, named(err, op, name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.live.entries[name]
	if old == nil {
		return nil, &secret.Error{Kind: secret.NotFound, Op: op, Name: name}
	}
	if err := old.refuse(op, name, p.If); err != nil {
		return nil, err
	}
	i := old.index(sel)
	if i < 0 {
		return nil, &secret.Error{Kind: secret.NotFound, Op: op, Name: name, Detail: "no such version"}
	}
	e := &entry{head: old.head.Clone(), versions: slices.Clone(old.versions)}
	if err := e.head.Patch(&e.versions[i], &p, s.opt.Now()); err != nil {
		return nil, named(err, op, name)
	}
	if err := ok(old, e); err != nil {
		return nil, named(err, op, name)
	}
	s.keep(&s.live, name, e)
	return e.described(e.versions[i : i+1]...), nil
}

// Delete implements backends.Backend.
func (s *Store) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	at := s.opt.Now().UTC().Truncate(time.Millisecond)
	return s.move(ctx, "memory.delete", name, &s.live, &s.trash, &secret.Deletion{At: at, Purge: purge})
}

// Recover implements backends.Backend.
func (s *Store) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.move(ctx, "memory.recover", name, &s.trash, &s.live, nil)
}

// move takes name from one shelf to the other. Nothing of it changes but
// whether it is deleted.
func (s *Store) move(ctx context.Context, op string, name secret.Name, from, to *shelf, d *secret.Deletion) (*secret.Secret, error) {
	if err := begin(ctx, op, name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := from.entries[name]
	if old == nil {
		return nil, &secret.Error{Kind: secret.NotFound, Op: op, Name: name}
	}
	e := &entry{head: old.head.Clone(), versions: old.versions}
	e.head.Secret.Deleted = d
	from.remove(name)
	s.keep(to, name, e)
	return e.described(e.versions...), nil
}

// DescribeTrash implements backends.Backend.
func (s *Store) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	e, err := s.find(ctx, "memory.describe_trash", name, &s.trash)
	if err != nil {
		return nil, err
	}
	return e.described(e.versions...), nil
}

// ListTrash implements backends.Backend.
func (s *Store) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.list(ctx, "memory.list_trash", q, &s.trash)
}

// Purge implements backends.Backend.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	return s.purge(ctx, name, func(*entry) bool { return true })
}

// PurgeExactly implements backends.ExactPurger.
func (s *Store) PurgeExactly(ctx context.Context, seen *secret.Secret) error {
	return s.purge(ctx, seen.Name, func(e *entry) bool { return e.head.View(e.versions...).SameDeletion(seen) })
}

func (s *Store) purge(ctx context.Context, name secret.Name, wanted func(*entry) bool) error {
	const op = "memory.purge"
	if err := begin(ctx, op, name); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.trash.entries[name]; e == nil || !wanted(e) {
		return &secret.Error{Kind: secret.NotFound, Op: op, Name: name}
	}
	s.trash.remove(name)
	return nil
}
