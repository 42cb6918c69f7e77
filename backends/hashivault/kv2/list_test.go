package kv2

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

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

// TestListOfWhatIsLeft: a secret of which natively nothing is left is in no
// list, and shows under its name, until somebody brings a version back.
func TestListOfWhatIsLeft(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"deleted", "destroyed", "half", "trash", "whole"} {
		for range 2 {
			f.nativePut(t, name, map[string]any{"value": "x"})
		}
	}
	if err := errors.Join(
		f.kv.DeleteVersions(t.Context(), "deleted", []int{1, 2}), f.kv.DeleteVersions(t.Context(), "half", []int{2}),
		f.kv.DeleteVersions(t.Context(), "destroyed", []int{1}), f.kv.Destroy(t.Context(), "destroyed", []int{2}),
	); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Delete(t.Context(), "trash", time.Time{}); err != nil {
		t.Fatal(err)
	}
	want := func(q secret.Query, want ...secret.Name) {
		t.Helper()
		p, err := f.List(t.Context(), q)
		var got []secret.Name
		for _, s := range p.Secrets {
			got = append(got, s.Name)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("listed %q, want %q: %v", got, want, err)
		}
	}
	want(secret.Query{}, "half", "whole")
	want(secret.Query{WithTrash: true}, "half", "trash", "whole")
	for _, name := range []secret.Name{"deleted", "destroyed"} {
		if s, err := f.Describe(t.Context(), name); err != nil || len(s.Versions) != 2 {
			t.Errorf("Describe of %s: %v", name, err)
		}
		if _, err := f.Export(t.Context(), name); err != nil {
			t.Errorf("Export of %s: %v", name, err)
		}
	}
	f.nativeWrite(t, "undelete/deleted", map[string]any{"versions": []int{1}})
	want(secret.Query{}, "deleted", "half", "whole")
}
