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
