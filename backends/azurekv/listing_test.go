package azurekv

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestListCost: the product's list is read once for all pages of a listing.
func TestListCost(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	b, other := open(t, g), open(t, g)
	const n = 60
	var want []secret.Name
	for i := range n {
		name := secret.Name(fmt.Sprintf("s%03d", i))
		want = append(want, name)
		putText(t, b, name)
	}
	clock := time.Now()
	b.now = func() time.Time { return clock }
	ctx, calls := backends.WithCallCount(t.Context())
	var got []secret.Name
	for q := (secret.Query{Limit: 7}); ; {
		p, err := b.List(ctx, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Secrets {
			got = append(got, s.Name)
		}
		if q.After = p.Next; p.Next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d names are listed, want %d", len(got), n)
	}
	if calls() > 4 { // the challenge, and three pages of 25
		t.Errorf("the listing took %d calls", calls())
	}
	page := func(after secret.Name) []secret.Name {
		t.Helper()
		p, err := b.List(t.Context(), secret.Query{After: after, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		var names []secret.Name
		for _, s := range p.Secrets {
			names = append(names, s.Name)
		}
		return names
	}
	putText(t, b, "s010a") // ours shows at once
	if got := page("s010"); !slices.Equal(got, []secret.Name{"s010a", "s011"}) {
		t.Errorf("after our own write: %q", got)
	}
	p, err := b.List(t.Context(), secret.Query{After: "s010", Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	putText(t, b, "s010a")
	if again, err := b.List(t.Context(), secret.Query{After: "s010", Limit: 1}); err != nil || again.Secrets[0].Current != p.Secrets[0].Current+1 {
		t.Errorf("our own second version does not show: %v", err)
	}
	putText(t, other, "s020a") // another gateway's, at the next listing
	page("")
	if got := page("s020"); !slices.Equal(got, []secret.Name{"s020a", "s021"}) {
		t.Errorf("after another's write and a first page: %q", got)
	}
	putText(t, other, "s030a") // or after a while
	clock = clock.Add(kit.ListingAge + time.Second)
	if got := page("s030"); !slices.Equal(got, []secret.Name{"s030a", "s031"}) {
		t.Errorf("after another's write and a while: %q", got)
	}
}

func putText(t *testing.T, b *Backend, name secret.Name) {
	t.Helper()
	if _, err := b.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("x")}); err != nil {
		t.Fatal(err)
	}
}
