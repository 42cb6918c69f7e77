package backendtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// testLeftOut: what cannot be listed hides nothing, and pages of any size tell
// of it once.
func testLeftOut(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	want := []secret.Name{"a", "spoil", "spoilt-not", "spoilu", "z/z"}
	for _, n := range want {
		put(ctx, t, b, n, text(canary+string(n)))
	}
	if got := leftOut(ctx, t, b.List, secret.Query{WithTrash: true}, want); len(got) > 0 {
		t.Fatalf("a store in which only the backend wrote leaves out %q", got)
	}
	if h.Spoil == nil {
		return
	}
	spoilt := h.Spoil(t, b)
	if len(spoilt) == 0 {
		t.Fatal("nothing is spoilt")
	}
	for limit := range len(want) + 2 {
		for _, trash := range []bool{false, true} {
			sameLeftOut(t, leftOut(ctx, t, b.List, secret.Query{Limit: limit, WithTrash: trash}, want), spoilt)
			toldSomehow(t, b, secret.Query{Limit: limit, WithTrash: trash, NamesAlone: true}, want, spoilt)
		}
	}
	var lacking []secret.LeftOut // whatever else the trash may hide
	for i := range spoilt {
		if spoilt[i].Incomplete() {
			lacking = append(lacking, spoilt[i])
		}
	}
	sameLeftOut(t, leftOut(ctx, t, b.ListTrash, secret.Query{Limit: 2}, nil), lacking)
}

// leftOut goes through a list, which must show the names in want.
func leftOut(ctx context.Context, t *testing.T, list func(context.Context, secret.Query) (secret.Page, error), q secret.Query, want []secret.Name) []secret.LeftOut {
	t.Helper()
	var got []secret.Name
	var out []secret.LeftOut
	what := fmt.Sprintf("pages of %d, with trash %v", q.Limit, q.WithTrash)
	for {
		p, err := list(ctx, q)
		if err != nil {
			t.Fatalf("%s: %v", what, checkErr(t, err))
		}
		for _, s := range p.Secrets {
			got = append(got, s.Name)
		}
		for i := range p.LeftOut {
			if l := &p.LeftOut[i]; !l.On(q, p.Next) {
				t.Errorf("%s: %q is left out of the page from %q to %q", what, *l, q.After, p.Next)
			}
		}
		out = append(out, p.LeftOut...)
		if q.After = p.Next; p.Next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the list shows %q, want %q", what, got, want)
	}
	return out
}

func sameLeftOut(t *testing.T, got, want []secret.LeftOut) {
	t.Helper()
	key := func(l secret.LeftOut) string { return fmt.Sprintf("%s %q %q", l.Why, l.Name, l.Native) }
	byKey := func(a, b secret.LeftOut) int { return cmp.Compare(key(a), key(b)) }
	got, want = slices.SortedFunc(slices.Values(got), byKey), slices.SortedFunc(slices.Values(want), byKey)
	if !slices.EqualFunc(got, want, func(a, b secret.LeftOut) bool { return key(a) == key(b) }) {
		t.Errorf("left out is %q, want %q", got, want)
	}
	for _, l := range got {
		if l.Why != secret.LeftOutName && l.Detail == "" || strings.Contains(l.Detail, canary) {
			t.Errorf("%s: the reason is %q", key(l), l.Detail)
		}
	}
}

// toldSomehow: a list of names alone shows all that a list shows, and what that
// leaves out as such, or by its name.
func toldSomehow(t *testing.T, b backends.Backend, q secret.Query, want []secret.Name, spoilt []secret.LeftOut) {
	t.Helper()
	var lacking []secret.LeftOut
	shown := map[secret.Name]bool{}
	for {
		p, err := b.List(t.Context(), q)
		if err != nil {
			t.Fatalf("names alone, pages of %d: %v", q.Limit, checkErr(t, err))
		}
		for _, s := range p.Secrets {
			shown[s.Name] = true
		}
		lacking = append(lacking, p.LeftOut...)
		if q.After = p.Next; p.Next == "" {
			break
		}
	}
	for _, n := range want {
		if !shown[n] {
			t.Errorf("names alone, pages of %d: %q is not shown", q.Limit, n)
		}
	}
	byName := func(l secret.LeftOut) bool {
		return shown[l.Name] && l.Why != secret.LeftOutFolder && l.Why != secret.LeftOutName
	}
	sameLeftOut(t, lacking, slices.DeleteFunc(slices.Clone(spoilt), byName))
}
