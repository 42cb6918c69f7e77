package backendtest_test

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/secret"
)

// brokenMarker is the memory store with its marks wrong. Nil functions break
// nothing.
type brokenMarker struct {
	*memory.Store
	put    func(*secret.Draft)
	update func(*secret.Patch)
	adds   func(*memory.Store, secret.Mark, []secret.Draft) (secret.Mark, []secret.Draft)
	mark   func(*secret.Secret, secret.Mark) secret.Mark
}

func (b *brokenMarker) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if b.put != nil {
		b.put(&d)
	}
	return b.Store.Put(ctx, name, d)
}

func (b *brokenMarker) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	if b.update != nil {
		b.update(&p)
	}
	return b.Store.Update(ctx, name, sel, p)
}

func (b *brokenMarker) Append(ctx context.Context, name secret.Name, only secret.Mark, ds []secret.Draft) (*secret.Secret, error) {
	if b.adds != nil {
		only, ds = b.adds(b.Store, only, ds)
	}
	return b.Store.Append(ctx, name, only, ds)
}

func (b *brokenMarker) DescribeMarked(ctx context.Context, name secret.Name) (*secret.Secret, secret.Mark, error) {
	s, mark, err := b.Store.DescribeMarked(ctx, name)
	if err == nil && b.mark != nil {
		mark = b.mark(s, mark)
	}
	return s, mark, err
}

var markerMutants = map[string]struct {
	caughtBy string
	damage   func(*brokenMarker)
}{
	"a put in any state":     {"Marked", func(b *brokenMarker) { b.put = func(d *secret.Draft) { d.If = "" } }},
	"a put makes it anew":    {"MarkedGone", func(b *brokenMarker) { b.put = func(d *secret.Draft) { d.If = "" } }},
	"an append in any state": {"Marked", func(b *brokenMarker) { b.adds = toAnyState }},
	"an append twice":        {"Appenders", func(b *brokenMarker) { b.adds = toAnyState }},
	"an append of a part":    {"Append", func(b *brokenMarker) { b.adds = onlyTheFirst }},
	"an update of any":       {"Marked", func(b *brokenMarker) { b.update = func(p *secret.Patch) { p.If = "" } }},
	"an update of another":   {"Deciders", func(b *brokenMarker) { b.update = func(p *secret.Patch) { p.If = "" } }},
	"a mark of all states":   {"Marked", func(b *brokenMarker) { b.mark = func(*secret.Secret, secret.Mark) secret.Mark { return "1" } }},
	"a state without marks":  {"Marked", func(b *brokenMarker) { b.mark = func(*secret.Secret, secret.Mark) secret.Mark { return "" } }},
	"a state with a value": {"Marked", func(b *brokenMarker) {
		b.mark = func(s *secret.Secret, m secret.Mark) secret.Mark {
			s.Versions[0].Value = secret.TextValue("canary-shown")
			return m
		}
	}},
}

func toAnyState(s *memory.Store, only secret.Mark, ds []secret.Draft) (secret.Mark, []secret.Draft) {
	if _, now, err := s.DescribeMarked(context.Background(), "s"); err == nil {
		only = now
	}
	ds = slices.Clone(ds)
	for i := range ds {
		ds[i].UID = secret.UID{}
	}
	return only, ds
}

func onlyTheFirst(_ *memory.Store, only secret.Mark, ds []secret.Draft) (secret.Mark, []secret.Draft) {
	return only, ds[:min(1, len(ds))]
}

const markerMutantEnv = "VAULTFERRY_MARKER_MUTANT"

// TestMutantMarker is the suite run by a child of TestSuiteCatchesMarker.
func TestMutantMarker(t *testing.T) {
	m, ok := markerMutants[os.Getenv(markerMutantEnv)]
	if !ok {
		t.Skip("only as a child of TestSuiteCatchesMarker")
	}
	backendtest.Run(t, backendtest.Harness{Open: func(*testing.T) backends.Backend {
		b := &brokenMarker{Store: memory.New(memory.Options{})}
		m.damage(b)
		return b
	}})
}

// TestSuiteCatchesMarker: each store with broken marks fails the case that is there
// for it.
func TestSuiteCatchesMarker(t *testing.T) {
	t.Parallel()
	for name, m := range markerMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCaught(t, "TestMutantMarker", m.caughtBy, markerMutantEnv+"="+name)
		})
	}
}
