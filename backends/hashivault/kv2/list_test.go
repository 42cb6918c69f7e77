package kv2

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/secret"
)

// TestListCost: a page costs a request for each of its secrets and one for
// each folder that it looks into, however many names there are.
func TestListCost(t *testing.T) {
	f := newFixture(t)
	var want []secret.Name
	var g errgroup.Group
	g.SetLimit(connection.InFlight)
	for i := range 400 {
		name := fmt.Sprintf("folder-%02d/s%03d", i/20, i)
		want = append(want, secret.Name(name))
		g.Go(func() error {
			_, err := f.kv.Put(t.Context(), name, map[string]any{"value": "x"})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	const limit = 10
	var got []secret.Name
	for q := (secret.Query{Limit: limit}); ; {
		ctx, calls := backends.WithCallCount(t.Context())
		p, err := f.List(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		if calls() > limit+3 {
			t.Errorf("the page after %q took %d requests", q.After, calls())
		}
		for _, s := range p.Secrets {
			got = append(got, s.Name)
		}
		if q.After = p.Next; p.Next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d names are listed, want %d", len(got), len(want))
	}
}
