package backendtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/secret"
)

// brokenTrash is the memory store with one thing of its updates or its trash
// wrong. Nil functions break nothing.
type brokenTrash struct {
	*memory.Store
	put        func(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error)
	export     func(*secret.Secret)
	patch      func(context.Context, secret.Selector, *secret.Patch)
	lossy      bool
	updated    func(*secret.Secret)
	notUpdated func(error) error
	ctx        func(context.Context) context.Context
	remove     func(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error)
	recover    func(ctx context.Context, name secret.Name) (*secret.Secret, error)
	purge      func(ctx context.Context, name secret.Name) error
	inexact    bool
	described  func(*secret.Secret)
	page       func(*secret.Page)
	query      func(*secret.Query)
}

func (b *brokenTrash) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if b.put != nil {
		return b.put(ctx, name, d)
	}
	return b.Store.Put(ctx, name, d)
}

func (b *brokenTrash) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	s, err := b.Store.Export(ctx, name)
	if err == nil && b.export != nil {
		b.export(s)
	}
	return s, err
}

func (b *brokenTrash) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	if b.ctx != nil {
		ctx = b.ctx(ctx)
	}
	if b.patch != nil {
		b.patch(ctx, sel, &p)
	}
	if b.lossy {
		return nil, secret.Errorf(secret.Lossy, "the product holds nothing")
	}
	s, err := b.Store.Update(ctx, name, sel, p)
	if err != nil && b.notUpdated != nil {
		return nil, b.notUpdated(err)
	}
	if err == nil && b.updated != nil {
		b.updated(s)
	}
	return s, err
}

func (b *brokenTrash) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	if b.ctx != nil {
		ctx = b.ctx(ctx)
	}
	if b.remove != nil {
		return b.remove(ctx, name, purge)
	}
	return b.Store.Delete(ctx, name, purge)
}

func (b *brokenTrash) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	s, err := b.Store.DescribeTrash(ctx, name)
	if err == nil && b.described != nil {
		b.described(s)
	}
	return s, err
}

func (b *brokenTrash) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	if b.query != nil {
		b.query(&q)
	}
	p, err := b.Store.ListTrash(ctx, q)
	if err == nil && b.page != nil {
		b.page(&p)
	}
	return p, err
}

func (b *brokenTrash) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	if b.recover != nil {
		return b.recover(ctx, name)
	}
	return b.Store.Recover(ctx, name)
}

func (b *brokenTrash) PurgeExactly(ctx context.Context, seen *secret.Secret) error {
	if b.inexact {
		return b.Store.Purge(ctx, seen.Name)
	}
	return b.Store.PurgeExactly(ctx, seen)
}

func (b *brokenTrash) Purge(ctx context.Context, name secret.Name) error {
	if b.purge != nil {
		return b.purge(ctx, name)
	}
	return b.Store.Purge(ctx, name)
}

// trashMutant names the case that must catch it.
type trashMutant struct {
	caughtBy string
	damage   func(*brokenTrash)
}

func patching(f func(*secret.Patch)) func(*brokenTrash) {
	return func(b *brokenTrash) { b.patch = func(_ context.Context, _ secret.Selector, p *secret.Patch) { f(p) } }
}

func updating(f func(*secret.Secret)) func(*brokenTrash) {
	return func(b *brokenTrash) { b.updated = f }
}

var trashMutants = map[string]trashMutant{
	"content types are not cleared": {"Update", patching(func(p *secret.Patch) {
		if p.ContentType != nil && *p.ContentType == "" {
			p.ContentType = nil
		}
	})},
	"what is not named is cleared": {"Update", patching(func(p *secret.Patch) {
		if p.Expires == nil {
			p.Expires = new(time.Time)
		}
	})},
	"states do not change":             {"Update", patching(func(p *secret.Patch) { p.Disabled = nil })},
	"not before is taken for expires":  {"Update", patching(func(p *secret.Patch) { p.NotBefore, p.Expires = p.Expires, p.NotBefore })},
	"stages are added and not dropped": {"Update", patching(func(p *secret.Patch) { p.DropStages = nil })},
	"current does not move":            {"Update", patching(func(p *secret.Patch) { p.MakeCurrent = false })},
	"previous does not move":           {"Update", patching(func(p *secret.Patch) { p.MakePrevious = false })},
	"descriptions stay":                {"Update", patching(func(p *secret.Patch) { p.Description = nil })},
	"extra is not removed": {"Update", patching(func(p *secret.Patch) {
		p.Extra = maps.Clone(p.Extra)
		maps.DeleteFunc(p.Extra, func(_ string, m json.RawMessage) bool { return m == nil })
	})},
	"tags are merged": {"Update", func(b *brokenTrash) {
		b.patch = func(ctx context.Context, sel secret.Selector, p *secret.Patch) {
			if s, err := b.Get(ctx, "s", sel); err == nil && p.Tags != nil {
				merged := maps.Clone(*p.Tags)
				maps.Copy(merged, s.Versions[0].Tags)
				p.Tags = &merged
			}
		}
	}},
	"the time of an update is not kept": {"Update", func(b *brokenTrash) { b.export = lose(func(v *secret.Version) { v.Updated = v.Created }) }},
	"created moves":                     {"Update", func(b *brokenTrash) { b.export = lose(func(v *secret.Version) { v.Created = v.Updated }) }},
	"updated stands still":              {"Update", updating(func(s *secret.Secret) { s.Versions[0].Updated = s.Versions[0].Created })},
	"the answer holds a value":          {"Update", updating(func(s *secret.Secret) { s.Versions[0].Value = secret.TextValue("x") })},
	"the answer is another version":     {"Update", updating(func(s *secret.Secret) { s.Versions[0].Ordinal++ })},
	"everything is lossy":               {"Update", func(b *brokenTrash) { b.lossy = true }},
	"new versions take attributes over": {"UpdateOfPut", func(b *brokenTrash) {
		b.put = func(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
			if s, err := b.Get(ctx, name, secret.Current); err == nil {
				d.Disabled = s.Versions[0].Disabled
			}
			return b.Store.Put(ctx, name, d)
		}
	}},
	"bad stages are left out": {"UpdateRefused", patching(func(p *secret.Patch) {
		p.AddStages = slices.DeleteFunc(slices.Clone(p.AddStages), func(s string) bool { return s == "" })
	})},
	"updates of nothing have another kind": {"UpdateRefused", func(b *brokenTrash) {
		b.notUpdated = func(error) error { return secret.Errorf(secret.Invalid, "") }
	}},
	"updates race": {"Updaters", func(b *brokenTrash) { b.patch = b.readThenWrite() }},

	"what is deleted stays readable": {"Trash", func(b *brokenTrash) {
		b.remove = func(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
			s, err := b.Describe(ctx, name)
			if err == nil {
				s.Deleted = &secret.Deletion{At: time.Now(), Purge: purge}
			}
			return s, err
		}
	}},
	"the date of the purge is lost": {"Trash", func(b *brokenTrash) {
		b.remove = func(ctx context.Context, name secret.Name, _ time.Time) (*secret.Secret, error) {
			return b.Store.Delete(ctx, name, time.Time{})
		}
	}},
	"the trash forgets that it is one": {"Trash", func(b *brokenTrash) { b.described = func(s *secret.Secret) { s.Deleted = nil } }},
	"the trash shows values": {"Trash", func(b *brokenTrash) {
		b.described = func(s *secret.Secret) { s.Versions[0].Value = secret.TextValue("x") }
	}},
	"deletion counts as an update":  {"Trash", func(b *brokenTrash) { b.recover = b.recoverLater }},
	"disabled is lost in the trash": {"Trash", func(b *brokenTrash) { b.recover = b.recoverEnabled }},
	"purging is forgotten":          {"Trash", func(b *brokenTrash) { b.purge = func(context.Context, secret.Name) error { return nil } }},
	"purging recovers": {"Trash", func(b *brokenTrash) {
		b.purge = func(ctx context.Context, name secret.Name) error { _, err := b.Store.Recover(ctx, name); return err }
	}},
	"a write empties the trash": {"Trash", func(b *brokenTrash) {
		b.put = func(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
			if _, err := b.Store.DescribeTrash(ctx, name); err == nil {
				_ = b.Store.Purge(ctx, name)
			}
			return b.Store.Put(ctx, name, d)
		}
	}},
	"for ever is until now": {"TrashForEver", func(b *brokenTrash) {
		b.remove = func(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
			if purge.IsZero() {
				purge = time.Now()
			}
			return b.Store.Delete(ctx, name, purge)
		}
	}},
	"purging takes the neighbours": {"TrashNeighbours", func(b *brokenTrash) {
		b.purge = func(ctx context.Context, name secret.Name) error {
			_ = b.Store.Purge(ctx, name+"/x")
			return b.Store.Purge(ctx, name)
		}
	}},
	"purging what is absent succeeds": {"TrashNotFound", func(b *brokenTrash) {
		b.purge = func(ctx context.Context, name secret.Name) error { _ = b.Store.Purge(ctx, name); return nil }
	}},
	"what is done is called not done": {"TrashCancelledMidway", func(b *brokenTrash) {
		b.remove = func(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
			if end, _ := ctx.Deadline(); time.Until(end) > time.Minute {
				return b.Store.Delete(ctx, name, purge)
			}
			if _, err := b.Store.Delete(context.WithoutCancel(ctx), name, purge); err != nil {
				return nil, err
			}
			return nil, secret.Errorf(secret.Unavailable, "")
		}
	}},
	"pages of the trash end early":        {"TrashPaging", func(b *brokenTrash) { b.page = func(p *secret.Page) { p.Next = "" } }},
	"pages of the trash have no order":    {"TrashPaging", func(b *brokenTrash) { b.page = func(p *secret.Page) { slices.Reverse(p.Secrets) } }},
	"pages of the trash repeat":           {"TrashPaging", func(b *brokenTrash) { b.query = func(q *secret.Query) { q.After = q.After[:max(0, len(q.After)-1)] } }},
	"contexts of the trash are ignored":   {"TrashCancelled", func(b *brokenTrash) { b.ctx = context.WithoutCancel }},
	"everybody deletes and is told so":    {"TrashRaces", func(b *brokenTrash) { b.remove = b.removeAgain }},
	"a purge loses against a recovery":    {"TrashRaces", func(b *brokenTrash) { b.purge = b.purgeAnyway }},
	"writes are acknowledged and dropped": {"TrashTurmoil", func(b *brokenTrash) { b.put = b.putOnce }},
	"a purge takes any deletion":          {"PurgeExactly", func(b *brokenTrash) { b.inexact = true }},
}

// readThenWrite makes each update write back what it read of its version, and
// lets all of them read before the first one writes.
func (b *brokenTrash) readThenWrite() func(context.Context, secret.Selector, *secret.Patch) {
	var all sync.WaitGroup
	all.Add(writers)
	return func(ctx context.Context, sel secret.Selector, p *secret.Patch) {
		s, err := b.Get(ctx, "s", sel)
		all.Done()
		all.Wait()
		if err != nil {
			return
		}
		v := s.Versions[0]
		for _, m := range []struct{ to, from **time.Time }{{&p.NotBefore, ptr(&v.NotBefore)}, {&p.Expires, ptr(&v.Expires)}} {
			if *m.to == nil {
				*m.to = *m.from
			}
		}
	}
}

func ptr[T any](v T) *T { return &v }

func (b *brokenTrash) recoverLater(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	if _, err := b.Store.Recover(ctx, name); err != nil {
		return nil, err
	}
	return b.Store.Update(ctx, name, secret.Current, secret.Patch{})
}

func (b *brokenTrash) recoverEnabled(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	if _, err := b.Store.Recover(ctx, name); err != nil {
		return nil, err
	}
	return b.Store.Update(ctx, name, secret.ByOrdinal(9), secret.Patch{Disabled: new(bool)})
}

// putOnce writes the first version, and of all others only says so.
func (b *brokenTrash) putOnce(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	d.OnlyIfAbsent = true
	s, err := b.Store.Put(ctx, name, d)
	if err == nil {
		return s, nil
	}
	return &secret.Secret{Name: name, Versions: []secret.Version{{Ordinal: 2, Value: d.Value}}}, nil
}

func (b *brokenTrash) removeAgain(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	s, err := b.Store.Delete(ctx, name, purge)
	if errors.Is(err, secret.NotFound) {
		return b.Store.DescribeTrash(ctx, name)
	}
	return s, err
}

func (b *brokenTrash) purgeAnyway(ctx context.Context, name secret.Name) error {
	if err := b.Store.Purge(ctx, name); !errors.Is(err, secret.NotFound) {
		return err
	}
	return nil
}

const (
	trashMutantEnv = "VAULTFERRY_TRASH_MUTANT"
	writers        = 32
)

// TestTrashMutant is the suite run by a child of TestSuiteCatchesTrash.
func TestTrashMutant(t *testing.T) {
	m, ok := trashMutants[os.Getenv(trashMutantEnv)]
	if !ok {
		t.Skip("only as a child of TestSuiteCatchesTrash")
	}
	backendtest.Run(t, backendtest.Harness{Writers: writers, Open: func(*testing.T) backends.Backend {
		b := &brokenTrash{Store: memory.New(memory.Options{})}
		m.damage(b)
		return b
	}})
}

// TestSuiteCatchesTrash: each broken store fails the case that is there for it.
func TestSuiteCatchesTrash(t *testing.T) {
	t.Parallel()
	for name, m := range trashMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCaught(t, "TestTrashMutant", m.caughtBy, trashMutantEnv+"="+name)
		})
	}
}
