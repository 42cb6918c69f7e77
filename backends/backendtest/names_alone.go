package backendtest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// testNamesAlone: a list of names alone shows every live name once, in pages of any
// size, and beside them at most what lies in the trash; it costs no request for each.
func testNamesAlone(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	var live []secret.Name
	deleted := map[secret.Name]bool{}
	for i := range 12 {
		n := secret.Name(fmt.Sprintf("n-%02d", i))
		put(ctx, t, b, n, text(fmt.Sprint(canary, i)))
		if i%5 == 1 {
			remove(ctx, t, b, tr, n)
			deleted[n] = true
		} else {
			live = append(live, n)
		}
	}
	for limit := range len(live) + 4 {
		for _, trash := range []bool{false, true} {
			q := secret.Query{Limit: limit, WithTrash: trash, NamesAlone: true}
			got := namesAlone(t, b, q)
			if !slices.IsSortedFunc(got, func(a, b *secret.Secret) int { return cmp.Compare(a.Name, b.Name) }) {
				t.Errorf("%+v: out of order", q)
			}
			var alive []secret.Name
			for _, s := range got {
				switch {
				case !deleted[s.Name]:
					alive = append(alive, s.Name)
					if s.Deleted != nil {
						t.Errorf("%+v: %q is not deleted", q, s.Name)
					}
				case s.Deleted == nil && !s.NameAlone():
					t.Errorf("%+v: %q is shown as live", q, s.Name)
				}
				noValues(t, "List", s)
			}
			if !slices.Equal(alive, live) {
				t.Errorf("%+v: shows %q, want %q", q, alive, live)
			}
		}
	}
	counted, calls := backends.WithCallCount(ctx)
	page, err := b.List(counted, secret.Query{Limit: 12, NamesAlone: true})
	if err != nil {
		t.Fatal(checkErr(t, err))
	}
	if n := calls(); n >= int64(len(page.Secrets)) {
		t.Errorf("%d requests for a list of %d names", n, len(page.Secrets))
	}
}

func namesAlone(t *testing.T, b backends.Backend, q secret.Query) (all []*secret.Secret) {
	t.Helper()
	for {
		page, err := b.List(t.Context(), q)
		if err != nil {
			t.Fatal(checkErr(t, err))
		}
		if q.Limit > 0 && len(page.Secrets) > q.Limit {
			t.Fatalf("%d secrets in a page of %d", len(page.Secrets), q.Limit)
		}
		all = append(all, page.Secrets...)
		if q.After = page.Next; page.Next == "" {
			return all
		}
	}
}
