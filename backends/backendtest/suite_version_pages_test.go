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

// brokenPager is the memory store with its pages of versions wrong. Nil functions
// break nothing.
type brokenPager struct {
	*memory.Store
	ask  func(*secret.Part)
	page func(*secret.Secret)
}

func (b *brokenPager) DescribePart(ctx context.Context, name secret.Name, p secret.Part) (*secret.Secret, error) {
	if b.ask != nil {
		b.ask(&p)
	}
	s, err := b.Store.DescribePart(ctx, name, p)
	if err == nil && b.page != nil {
		b.page(s)
	}
	return s, err
}

var pagerMutants = map[string]struct {
	caughtBy string
	damage   func(*brokenPager)
}{
	"a page begins at its place": {"VersionPages", func(b *brokenPager) { b.ask = func(p *secret.Part) { p.After.Ordinal-- } }},
	"a page has one order":       {"VersionPages", func(b *brokenPager) { b.ask = func(p *secret.Part) { p.ByUID = false } }},
	"a page has no end":          {"VersionPages", func(b *brokenPager) { b.ask = func(p *secret.Part) { p.Limit = 0 } }},
	"a page shows all":           {"VersionPages", func(b *brokenPager) { b.ask = func(p *secret.Part) { p.Show = nil } }},
	"a page goes by UID within":  {"VersionPages", func(b *brokenPager) { b.page = func(s *secret.Secret) { slices.Reverse(s.Versions) } }},
	"a page forgets the secret":  {"VersionPages", func(b *brokenPager) { b.page = func(s *secret.Secret) { s.Extra, s.Current = nil, 0 } }},
	"a page forgets labels": {"VersionPages", func(b *brokenPager) {
		b.page = func(s *secret.Secret) {
			for i := range s.Versions {
				s.Versions[i].Stages = nil
			}
		}
	}},
	"a page has values": {"VersionPages", func(b *brokenPager) {
		b.page = func(s *secret.Secret) {
			for i := range s.Versions {
				s.Versions[i].Value = secret.TextValue("canary-x")
			}
		}
	}},
	"a page is of what is live": {"VersionPagesOfTrash", func(b *brokenPager) { b.ask = func(p *secret.Part) { p.InTrash = false } }},
	"a page skips what is behind its place": {"VersionPagesDuringWrites", func(b *brokenPager) {
		b.ask = func(p *secret.Part) { p.After.Ordinal += min(p.After.Ordinal, 1) }
	}},
	"a page repeats its place": {"ManyVersionPages", func(b *brokenPager) { b.ask = func(p *secret.Part) { p.After.Ordinal -= p.After.Ordinal / 3000 } }},
}

const pagerMutantEnv = "VAULTFERRY_PAGER_MUTANT"

// TestMutantPager is the suite run by a child of TestSuiteCatchesPager.
func TestMutantPager(t *testing.T) {
	m, ok := pagerMutants[os.Getenv(pagerMutantEnv)]
	if !ok {
		t.Skip("only as a child of TestSuiteCatchesPager")
	}
	backendtest.Run(t, backendtest.Harness{Open: func(*testing.T) backends.Backend {
		b := &brokenPager{Store: memory.New(memory.Options{})}
		m.damage(b)
		return b
	}})
}

// TestSuiteCatchesPager: each store with broken pages of versions fails the case
// that is there for it.
func TestSuiteCatchesPager(t *testing.T) {
	t.Parallel()
	for name, m := range pagerMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantCaught(t, "TestMutantPager", m.caughtBy, pagerMutantEnv+"="+name)
		})
	}
}
