package backendtest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// testTrashAmongLive: pages of any size with the trash are what is live and
// what is not, once each, in one order; without it nothing deleted is seen.
func testTrashAmongLive(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	names := []secret.Name{"a", "a-b", "a0", "b", "c", "d", "e/f", "x0-c5h66", "z"}
	deleted := map[secret.Name]bool{}
	for i, n := range names {
		put(ctx, t, b, n, text(fmt.Sprint("canary-", i)))
		if i%3 == 1 || n == "z" {
			remove(ctx, t, b, tr, n)
			deleted[n] = true
		}
	}
	slices.Sort(names)
	for limit := range len(names) + 2 {
		for after := range len(names) {
			q := secret.Query{Limit: limit, WithTrash: true}
			want := names
			if after > 0 {
				q.After, want = names[after-1], names[after:]
			}
			var got []secret.Name
			for {
				page, err := b.List(ctx, q)
				if err != nil {
					t.Fatal(checkErr(t, err))
				}
				if limit > 0 && len(page.Secrets) > limit {
					t.Fatalf("%d secrets in a page of %d", len(page.Secrets), limit)
				}
				for _, s := range page.Secrets {
					got = append(got, s.Name)
					if (s.Deleted != nil) != deleted[s.Name] {
						t.Errorf("%q: deleted is %v", s.Name, s.Deleted)
					}
					noValues(t, "List", s)
				}
				if q.After = page.Next; page.Next == "" {
					break
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d from %d: %q, want %q", limit, after, got, want)
			}
		}
	}
	page, err := b.List(ctx, secret.Query{})
	if err != nil {
		t.Fatal(checkErr(t, err))
	}
	for _, s := range page.Secrets {
		if deleted[s.Name] || s.Deleted != nil {
			t.Errorf("without the trash %q is listed", s.Name)
		}
	}
}
