package backendtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// describePart reads a page of versions as the gateway does.
func describePart(ctx context.Context, b backends.Backend, name secret.Name, p secret.Part) (*secret.Secret, error) {
	if pager, ok := b.(backends.VersionPager); ok {
		return pager.DescribePart(ctx, name, p)
	}
	describe := b.Describe
	if p.InTrash {
		describe = b.DescribeTrash
	}
	s, err := describe(ctx, name)
	if err != nil {
		return nil, err
	}
	return p.Of(s), nil
}

// needPager skips a case about products that read a page by itself. Of all others
// the gateway makes pages of what Describe returns.
func needPager(t *testing.T, b backends.Backend) {
	t.Helper()
	if _, ok := b.(backends.VersionPager); !ok {
		t.Skip("the product reads all versions at once")
	}
}

// inOrder are the versions of s in the order of the part.
func inOrder(s *secret.Secret, byUID bool) []secret.Version {
	return slices.SortedFunc(slices.Values(s.Versions), func(a, b secret.Version) int {
		if byUID {
			return strings.Compare(a.UID.String(), b.UID.String())
		}
		return cmp.Compare(a.Ordinal, b.Ordinal)
	})
}

// partOf is what a page of whole must be.
func partOf(whole *secret.Secret, p secret.Part, shown func(secret.Ordinal) bool) *secret.Secret {
	out := whole.Clone()
	out.Versions = nil
	for _, v := range inOrder(whole, p.ByUID) {
		after := v.Ordinal > p.After.Ordinal
		if p.ByUID {
			after = v.UID.String() > p.After.UID.String()
		}
		if after && shown(v.Ordinal) && (p.Limit == 0 || len(out.Versions) < p.Limit) {
			out.Versions = append(out.Versions, v)
		}
	}
	out.Versions = inOrder(out, false)
	return out
}

func all(secret.Ordinal) bool { return true }

// wantPart reads a page and compares it with what it is a page of.
func wantPart(ctx context.Context, t *testing.T, b backends.Backend, whole *secret.Secret, p secret.Part, shown func(secret.Ordinal) bool) *secret.Secret {
	t.Helper()
	got, err := describePart(ctx, b, whole.Name, p)
	if err != nil {
		t.Fatalf("a page of versions: %v", checkErr(t, err))
	}
	for _, d := range Differences(partOf(whole, p, shown), got, nil) {
		t.Errorf("a page of %d versions after %v, by UID %v: %s", p.Limit, p.After, p.ByUID, d)
	}
	noValues(t, "a page of versions", got)
	return got
}

// places are where a page may begin: at the start, at each version, beside each,
// as where one has vanished, and behind all.
func places(whole *secret.Secret) []secret.Selector {
	out := []secret.Selector{{}, secret.ByOrdinal(-1), {Ordinal: 1 << 52, UID: secret.UID([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"))}}
	for i := range whole.Versions {
		v := &whole.Versions[i]
		before, behind := v.UID, v.UID
		before[15]--
		behind[15]++
		out = append(out, secret.Selector{Ordinal: v.Ordinal, UID: v.UID},
			secret.Selector{Ordinal: v.Ordinal - 1, UID: before}, secret.Selector{Ordinal: v.Ordinal + 1, UID: behind})
	}
	return out
}

// testVersionPages: a page of any size, from any place, in either order, is the
// versions of Describe that follow there, and tells of the secret what Describe
// tells.
func testVersionPages(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	needPager(t, b)
	mustImport(ctx, t, b, Sample("s"), "")
	put(ctx, t, b, "s0", text("canary-neighbour"))
	put(ctx, t, b, "r", text("canary-neighbour"))
	wantPages(ctx, t, b, describe(ctx, t, b, "s"), false)
}

func wantPages(ctx context.Context, t *testing.T, b backends.Backend, whole *secret.Secret, inTrash bool) {
	t.Helper()
	odd := func(o secret.Ordinal) bool { return o%2 == 1 }
	for _, byUID := range []bool{false, true} {
		for limit := range len(whole.Versions) + 2 {
			for _, after := range places(whole) {
				p := secret.Part{InTrash: inTrash, ByUID: byUID, After: after, Limit: limit}
				wantPart(ctx, t, b, whole, p, all)
				p.Show = func(s *secret.Secret, v *secret.Version) bool {
					if s.Name != whole.Name || len(s.Versions) != 0 || !v.Value.IsNone() {
						t.Error("who decides what is shown gets another secret, more than one version, or a value")
					}
					return odd(v.Ordinal)
				}
				wantPart(ctx, t, b, whole, p, odd)
			}
			if t.Failed() {
				return
			}
		}
	}
}

// testVersionPagesOfTrash: the same of what is in the trash, and of nothing else
// there.
func testVersionPagesOfTrash(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	needPager(t, b)
	mustImport(ctx, t, b, Sample("s"), "")
	put(ctx, t, b, "live", text("canary-live"))
	remove(ctx, t, b, tr, "s")
	wantPages(ctx, t, b, describeTrash(ctx, t, tr, "s"), true)
	for name, p := range map[secret.Name]secret.Part{"s": {}, "live": {InTrash: true}, "never": {}, "never-deleted": {InTrash: true}} {
		_, err := describePart(ctx, b, name, p)
		wantErr(t, fmt.Sprintf("a page of %q, in the trash: %v", name, p.InTrash), err, secret.NotFound)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err := describePart(gone, b, "live", secret.Part{})
	wantErr(t, "a page for a caller who has gone", err, secret.Unavailable)
}

// testVersionPagesDuringWrites: who writes between two pages makes nothing show
// twice, and hides nothing that stands throughout.
func testVersionPagesDuringWrites(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	for _, byUID := range []bool{false, true} {
		name := secret.Name(fmt.Sprintf("by-uid-%v", byUID))
		for i := range 6 {
			put(ctx, t, b, name, text(fmt.Sprint(canary, i)))
		}
		stood := describe(ctx, t, b, name)
		seen := walkVersions(ctx, t, b, name, secret.Part{ByUID: byUID, Limit: 2}, func(page int) {
			if page > 3 {
				return
			}
			put(ctx, t, b, name, text(fmt.Sprint(canary, "between-", page)))
			if _, err := b.Update(ctx, name, secret.Current, secret.Patch{Expires: new(time.Time)}); err != nil {
				t.Fatal(checkErr(t, err))
			}
		})
		stands := describe(ctx, t, b, name)
		for i := range stands.Versions {
			v := &stands.Versions[i]
			if s := stood.Find(secret.ByOrdinal(v.Ordinal)); s != nil && s.UID == v.UID && !slices.Contains(seen, v.UID) {
				t.Errorf("by UID %v: version %d stood throughout and is on no page", byUID, v.Ordinal)
			}
		}
	}
}

// walkVersions reads all pages and returns what they show, which is each version
// once and in order. between is called before each page but the first.
func walkVersions(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name, p secret.Part, between func(page int)) (seen []secret.UID) {
	t.Helper()
	shown := map[secret.UID]bool{}
	for page := 1; ; page++ {
		s, err := describePart(ctx, b, name, p)
		if err != nil {
			t.Fatal(checkErr(t, err))
		}
		if len(s.Versions) > p.Limit {
			t.Fatalf("a page of %d holds %d versions", p.Limit, len(s.Versions))
		}
		for _, v := range inOrder(s, p.ByUID) {
			if shown[v.UID] {
				t.Fatalf("version %d is shown twice", v.Ordinal)
			}
			shown[v.UID], seen = true, append(seen, v.UID)
			p.After = secret.Selector{Ordinal: v.Ordinal, UID: v.UID}
		}
		if len(s.Versions) < p.Limit {
			return seen
		}
		between(page)
	}
}

// testManyVersionPages: pages of a secret with so many versions that each must
// not cost the whole.
func testManyVersionPages(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	needPager(t, b)
	for _, n := range []int{500, 4000} {
		needRoom(t, b, n)
		whole := ManyVersions(secret.Name(fmt.Sprintf("many-%d", n)), n)
		mustImport(ctx, t, b, whole, "")
		for _, byUID := range []bool{false, true} {
			var want []secret.UID
			for _, v := range inOrder(whole, byUID) {
				want = append(want, v.UID)
			}
			for _, limit := range []int{25, 1000} {
				if got := walkVersions(ctx, t, b, whole.Name, secret.Part{ByUID: byUID, Limit: limit}, func(int) {}); !slices.Equal(got, want) {
					t.Errorf("pages of %d, by UID %v: %d of %d versions, or in another order", limit, byUID, len(got), n)
				}
			}
		}
	}
}

// ManyVersions is a secret of n versions, with nothing but short values. Each is
// a second younger than the one before.
func ManyVersions(name secret.Name, n int) *secret.Secret {
	s := &secret.Secret{Name: name, Created: sampleTime, Updated: sampleTime, Current: secret.Ordinal(n)}
	for o := range secret.Ordinal(n) {
		at := sampleTime.Add(time.Duration(o) * time.Second)
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: o + 1, UID: secret.DeriveUID("many", string(name), o.String(), at), Value: secret.TextValue(canary + o.String()), Created: at, Updated: at,
		})
	}
	return s
}
