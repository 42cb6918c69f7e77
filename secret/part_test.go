package secret_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/secret"
)

// TestPart: pages of any size together are the versions that are shown, once each
// and in order, and each page says whether another follows.
func TestPart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &secret.Secret{Name: "s", Current: 1}
		var want []secret.Ordinal
		p := secret.Part{ByUID: rapid.Bool().Draw(t, "by UID"), Limit: rapid.IntRange(1, 4).Draw(t, "limit")}
		for i, first := range rapid.SliceOfNDistinct(rapid.Byte(), 0, 12, rapid.ID[byte]).Draw(t, "UIDs") {
			s.Versions = append(s.Versions, secret.Version{Ordinal: secret.Ordinal(2*i + 1), UID: secret.UID{first, 1}})
		}
		p.Show = func(s *secret.Secret, v *secret.Version) bool { return s.Name == "s" && v.UID[0]%3 != 0 }
		inOrder := slices.Clone(s.Versions)
		if p.ByUID {
			slices.SortFunc(inOrder, func(a, b secret.Version) int { return int(a.UID[0]) - int(b.UID[0]) })
		}
		for _, v := range inOrder {
			if v.UID[0]%3 != 0 {
				want = append(want, v.Ordinal)
			}
		}
		var got []secret.Ordinal
		for more := true; more; {
			ask := p
			ask.Limit++
			page := ask.Of(s)
			if !slices.IsSortedFunc(page.Versions, func(a, b secret.Version) int { return int(a.Ordinal - b.Ordinal) }) || page.Current != 1 {
				t.Fatalf("a page is %v", page.Versions)
			}
			more = p.Cut(page)
			slices.SortFunc(page.Versions, p.Compare)
			for _, v := range page.Versions {
				got = append(got, v.Ordinal)
				p.After = secret.Selector{Ordinal: v.Ordinal, UID: v.UID}
			}
			if more && len(page.Versions) != p.Limit {
				t.Fatalf("more than %d follow a page of %d", p.Limit, len(page.Versions))
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the pages show %d, want %d", got, want)
		}
		if whole := (&secret.Part{}).Of(s); len(whole.Versions) != len(s.Versions) {
			t.Fatal("the zero part is not all")
		}
	})
}
