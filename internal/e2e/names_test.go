package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// travelling are names that differ by what some product ignores. Package
// backends/all has many more, of the spelling alone.
func travelling() []secret.Name {
	return []secret.Name{
		"foo", "Foo", "FOO", "x0-8pnmu", "x0-c5h66", "team/db", "team//db", "..", "\u00e9", "e\u0301", "\u212a", "k",
		"vaultferry-state-a", "vaultferry.meta/a", secret.Name("x1-" + strings.Repeat("0", 52)), secret.Name(strings.Repeat("n", 100)),
	}
}

// TestNamesTravel: for every ordered pair of products, what was created in one
// by the clients of both vendors is, once moved, listed in the other by the
// same names, and each name leads to its own secret.
func TestNamesTravel(t *testing.T) {
	t.Parallel()
	kinds := slices.Sorted(maps.Keys(moving()))
	var stores []gateway.Store
	add := func(store, kind string) {
		stores = append(stores, gateway.Store{Name: store, Kind: kind, Backend: moving()[kind](t, store), Concurrency: 64})
	}
	for _, from := range kinds {
		add(from, from)
		for _, into := range kinds {
			add(from+"-"+into, into)
		}
	}
	g := gatewaytest.New(t, gatewaytest.Options{Stores: stores, MaxBlobs: 16})
	stopOf := func(t *testing.T, store string) *stop {
		t.Helper()
		i := slices.IndexFunc(stores, func(s gateway.Store) bool { return s.Name == store })
		return newStop(t, g, stores[i].Kind, store, stores[i].Backend)
	}
	for _, from := range kinds {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			a := stopOf(t, from)
			createAll(t, a)
			for _, into := range kinds {
				t.Run(into, func(t *testing.T) {
					t.Parallel()
					b := stopOf(t, from+"-"+into)
					moveAll(t, a, b)
					sameNames(t, a, b)
				})
			}
		})
	}
}

// clientFor takes turns with the dialects, as far as they can say the name.
func clientFor(s *stop, i int, name secret.Name) (c client, wire string) {
	return s.client([]string{"azure", "huawei"}[i%2], name)
}

// createAll writes each name, its value the name itself.
func createAll(t *testing.T, s *stop) {
	t.Helper()
	for i, name := range travelling() {
		c, wire := clientFor(s, i, name)
		if err := c.create(t.Context(), wire, string(name)); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
}

func moveAll(t *testing.T, a, b *stop) {
	t.Helper()
	for i, name := range travelling() {
		out, wire := clientFor(a, i/2, name)
		blob, err := out.backup(t.Context(), wire)
		if err != nil {
			t.Fatalf("%q: backup: %v", name, err)
		}
		in, wire := clientFor(b, i, name)
		if restored, err := in.restore(t.Context(), blob); err != nil || restored != wire {
			t.Fatalf("%q: restored as %q: %v", name, restored, err)
		}
	}
}

func sameNames(t *testing.T, a, b *stop) {
	t.Helper()
	for dialect, c := range b.clients {
		was, now := got(a.clients[dialect].list(t.Context()))(t), got(c.list(t.Context()))(t)
		var want []string
		for _, name := range travelling() {
			wire, err := wireNames[dialect](name)
			if err != nil {
				continue
			}
			want = append(want, wire)
			if value, err := c.current(t.Context(), wire); err != nil || value != string(name) {
				t.Errorf("%s: %q leads to %q: %v", dialect, wire, value, err)
			}
		}
		slices.Sort(want)
		if sorted := slices.Sorted(slices.Values(now)); !slices.Equal(was, now) || !slices.Equal(sorted, want) {
			t.Errorf("%s lists %q, and where they came from %q; want %q", dialect, now, was, want)
		}
	}
	if value, err := b.clients["azure"].current(t.Context(), "FOO"); err != nil || value != "foo" {
		t.Errorf("Key Vault's clients, who mind no case, get %q for FOO: %v", value, err)
	}
	all := got(b.backend.List(t.Context(), secret.Query{Limit: 100}))(t)
	names := fmt.Sprint(namesOf(all))
	if want := fmt.Sprint(slices.Sorted(slices.Values(travelling()))); names != want {
		t.Errorf("the store holds %s, want %s", names, want)
	}
}

func namesOf(p secret.Page) []secret.Name {
	var names []secret.Name
	for _, s := range p.Secrets {
		names = append(names, s.Name)
	}
	return names
}
