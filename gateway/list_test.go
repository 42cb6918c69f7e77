package gateway_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// The last place of a page must not cost a call for each name that is skipped.
func TestAFilteredListAsksForWholePages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, everything, access.Rule{Callers: []string{"few"}, Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"s0?", "z"}})
	for i := range 50 {
		put(t, w, gateway.Ref{Store: "a", Name: secret.Name(fmt.Sprintf("s%02d", i))}, "hush")
	}
	put(t, w, gateway.Ref{Store: "a", Name: "z"}, "hush")
	few := call
	few.Caller.ID = "few"
	calls := 0
	w.a.Before = func(context.Context, string) error { calls++; return nil }
	first, err := w.List(t.Context(), few, "a", secret.Query{Limit: 11})
	if err != nil || len(first.Secrets) != 11 || first.Secrets[10].Name != "z" || first.Next != "" {
		t.Fatalf("%d secrets, %v", len(first.Secrets), err)
	}
	if calls > 5 {
		t.Errorf("%d calls for 51 names in pages of 11", calls)
	}
}

// A page that is full in the middle of the product's goes on behind its last.
func TestAFilteredListMissesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, everything, access.Rule{Callers: []string{"few"}, Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"s00", "s01", "s1*", "s30"}})
	for i := range 40 {
		put(t, w, gateway.Ref{Store: "a", Name: secret.Name(fmt.Sprintf("s%02d", i))}, "hush")
	}
	few := call
	few.Caller.ID = "few"
	for limit := 1; limit < 16; limit++ {
		var names []string
		for q := (secret.Query{Limit: limit}); ; {
			page, err := w.List(t.Context(), few, "a", q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Secrets) > limit {
				t.Errorf("%d secrets in a page of %d", len(page.Secrets), limit)
			}
			for _, s := range page.Secrets {
				names = append(names, string(s.Name))
			}
			if q.After = page.Next; page.Next == "" {
				break
			}
		}
		if got := strings.Join(names, " "); got != "s00 s01 s10 s11 s12 s13 s14 s15 s16 s17 s18 s19 s30" {
			t.Errorf("pages of %d: %s", limit, got)
		}
	}
}

// hidden is a caller who sees what the patterns say, beside one who sees all.
func hidden(t *testing.T, patterns ...string) (*world, gateway.Call) {
	t.Helper()
	w := newWorld(t, nil, everything, access.Rule{Callers: []string{"few"}, Allow: []string{"list", "get", "update"}, Stores: []string{"a"}, Names: patterns})
	few := call
	few.Caller.ID = "few"
	return w, few
}

// Where a page ends must not tell what lies there, nor that anything does.
func TestANextIsTheLastNameThatWasShown(t *testing.T) {
	t.Parallel()
	for _, patterns := range [][]string{{"app-*"}, {"*-mine"}} {
		w, few := hidden(t, patterns...)
		for _, n := range []secret.Name{"aaa", "app-1-mine", "app-2-mine", "app.hidden", "app-3-mine", "app-4-mine", "b-hidden", "zz-hidden-1", "zz-hidden-2"} {
			put(t, w, gateway.Ref{Store: "a", Name: n}, "hush")
		}
		for limit := range 7 {
			for q := (secret.Query{Limit: limit}); ; {
				page, err := w.List(t.Context(), few, "a", q)
				if err != nil {
					t.Fatal(err)
				}
				if page.Next == "" {
					break
				}
				if len(page.Secrets) == 0 || page.Next != page.Secrets[len(page.Secrets)-1].Name {
					t.Fatalf("%v, pages of %d: the next one begins after %q, which is not the last shown", patterns, limit, page.Next)
				}
				if page.Next == "app-4-mine" {
					t.Errorf("%v, pages of %d: what is hidden makes another page", patterns, limit)
				}
				q.After = page.Next
			}
		}
	}
}

// A caller chooses where a list begins, and what is hidden there is skipped in
// few steps. It shows what the plain list shows.
func TestAListFromAnywhereSkipsWhatIsHidden(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern string
		most    int // calls of a page
	}{
		{"app-*", 4},
		{"*-mine", 12},
	} {
		w, few := hidden(t, c.pattern)
		for i := range 2000 {
			for _, n := range []string{"aaa-%04d", "zzz-%04d"} {
				if _, err := w.a.Put(t.Context(), secret.Name(fmt.Sprintf(n, i)), draft("hush")); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, n := range []secret.Name{"app-1-mine", "app-2-mine", "app-3-mine"} {
			put(t, w, gateway.Ref{Store: "a", Name: n}, "hush")
		}
		calls := 0
		w.a.Before = func(context.Context, string) error { calls++; return nil }
		for after, want := range map[secret.Name]int{"": 2, "aaa-0500": 2, "app-1-mine": 2, "app-2-mine": 1, "app-9": 0, "zzz-0001": 0, "\U0010FFFF": 0} {
			calls = 0
			page, err := w.List(t.Context(), few, "a", secret.Query{After: after, Limit: 2})
			if err != nil || len(page.Secrets) != want {
				t.Errorf("%s after %q: %d secrets, %v", c.pattern, after, len(page.Secrets), err)
			}
			if calls > c.most {
				t.Errorf("%s after %q: %d calls", c.pattern, after, calls)
			}
		}
	}
}
