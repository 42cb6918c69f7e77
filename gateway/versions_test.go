package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// lister reads pages of versions through a world, and counts what each costs.
type lister struct {
	*world
	reads atomic.Int64
}

// listing is a world whose store a reads all versions of a secret at once, and
// holds one secret of n versions.
func listing(t *testing.T, n int, rules ...access.Rule) (*lister, *clock) {
	t.Helper()
	w, c := timed(t, nil, rules...)
	l := &lister{world: w}
	w.a.Before = func(_ context.Context, method string) error {
		if method == "Describe" || method == "DescribeTrash" {
			l.reads.Add(1)
		}
		return nil
	}
	if _, err := w.a.Backend.Import(t.Context(), backendtest.ManyVersions(refA.Name, n), ""); err != nil {
		t.Fatal(err)
	}
	return l, c
}

// page reads one page, and moves p behind it.
func (l *lister) page(t *testing.T, p *secret.Part) (seen []secret.Ordinal, more bool) {
	t.Helper()
	page, err := l.Versions(t.Context(), call, refA, *p)
	if err != nil {
		t.Fatal(err)
	}
	if p.Limit > 0 && len(page.Secret.Versions) > p.Limit || page.More && len(page.Secret.Versions) < p.Limit {
		t.Fatalf("a page of %d holds %d versions, and more follow: %v", p.Limit, len(page.Secret.Versions), page.More)
	}
	slices.SortFunc(page.Secret.Versions, p.Compare)
	for _, v := range page.Secret.Versions {
		if !v.Value.IsNone() {
			t.Fatal("a page holds a value")
		}
		seen, p.After = append(seen, v.Ordinal), secret.Selector{Ordinal: v.Ordinal, UID: v.UID}
	}
	return seen, page.More
}

func (l *lister) all(t *testing.T, p secret.Part) (seen []secret.Ordinal) {
	t.Helper()
	for more := true; more; {
		var page []secret.Ordinal
		page, more = l.page(t, &p)
		seen = append(seen, page...)
	}
	return seen
}

func upTo(n int) (all []secret.Ordinal) {
	for o := range secret.Ordinal(n) {
		all = append(all, o+1)
	}
	return all
}

// TestVersionsReadOnce: pages of any size are the whole list, each version once,
// and cost a product that reads all versions at once a single reading.
func TestVersionsReadOnce(t *testing.T) {
	t.Parallel()
	const n = 500
	l, c := listing(t, n)
	for _, limit := range []int{0, 1, 25, 249, 250, 499, 500, 501} {
		for _, byUID := range []bool{false, true} {
			l.reads.Store(0)
			seen := l.all(t, secret.Part{ByUID: byUID, Limit: limit})
			if slices.Sort(seen); !slices.Equal(seen, upTo(n)) || l.reads.Load() != 1 {
				t.Errorf("pages of %d, by UID %v: %d versions, read %d times", limit, byUID, len(seen), l.reads.Load())
			}
		}
	}
	l.reads.Store(0)
	p := secret.Part{Limit: 100, After: secret.ByOrdinal(100)} // as another gateway's client comes
	l.page(t, &p)
	l.page(t, &p)
	if l.reads.Load() != 0 {
		t.Errorf("two later pages were read %d times", l.reads.Load())
	}
	c.advance(time.Minute + 1)
	if l.page(t, &p); l.reads.Load() != 1 {
		t.Errorf("a page after a minute was read %d times", l.reads.Load())
	}
}

// TestVersionsDuringWrites: what this gateway writes between two pages shows on the
// next, what another writes hides nothing that stands, and a first page is always
// the latest.
func TestVersionsDuringWrites(t *testing.T) {
	t.Parallel()
	l, _ := listing(t, 10)
	p := secret.Part{Limit: 4}
	first, _ := l.page(t, &p)
	put(t, l.world, refA, "hush")
	if _, err := l.Update(t.Context(), call, refA, secret.ByOrdinal(5), secret.Patch{ContentType: ptr("text/new")}); err != nil {
		t.Fatal(err)
	}
	page, err := l.Versions(t.Context(), call, refA, secret.Part{Limit: 4, After: p.After})
	if err != nil || page.Secret.Versions[0].ContentType != "text/new" || page.Secret.Current != 11 {
		t.Errorf("%v, or the page does not show what was written", err)
	}
	if _, err := l.a.Backend.Put(t.Context(), refA.Name, draft("hush")); err != nil { // another gateway
		t.Fatal(err)
	}
	seen := append(first, l.all(t, p)...)
	if !slices.Equal(seen, upTo(11)) && !slices.Equal(seen, upTo(12)) {
		t.Errorf("the pages show %d", seen)
	}
	if seen := l.all(t, secret.Part{Limit: 4}); !slices.Equal(seen, upTo(12)) {
		t.Errorf("the pages of a new listing show %d", seen)
	}
	p = secret.Part{Limit: 4}
	l.page(t, &p)
	remove(t, l.world, refA)
	_, err = l.Versions(t.Context(), call, refA, p)
	wantKind(t, err, secret.NotFound)
}

// TestManyListings: however many go on at once, each is whole.
func TestManyListings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	const secrets, n = 20, 9
	places, seen := map[secret.Name]secret.Part{}, map[secret.Name]int{}
	for i := range secrets {
		name := secret.Name(fmt.Sprint("s", i))
		if _, err := w.a.Backend.Import(t.Context(), backendtest.ManyVersions(name, n), ""); err != nil {
			t.Fatal(err)
		}
		places[name] = secret.Part{Limit: 2}
	}
	for len(places) > 0 {
		for name, p := range places {
			page, err := w.Versions(t.Context(), call, gateway.Ref{Store: "a", Name: name}, p)
			if err != nil || page.Secret.Name != name {
				t.Fatal(err)
			}
			seen[name] += len(page.Secret.Versions)
			p.After = secret.ByOrdinal(page.Secret.Newest().Ordinal)
			if places[name] = p; !page.More {
				delete(places, name)
			}
		}
	}
	for name, got := range seen {
		if got != n {
			t.Errorf("%s: %d versions", name, got)
		}
	}
}

// TestVersionsRights: each page asks for the right to list the name, and of what is
// in the trash only a listing that wants it tells, until its time is over.
func TestVersionsRights(t *testing.T) {
	t.Parallel()
	for what, pager := range map[string]bool{"pages": true, "whole": false} {
		w, c := timed(t, func(o *gateway.Options) {
			o.Stores[0].RetentionDays = 7
			if pager {
				o.Stores[0].Backend = memory.New(memory.Options{})
			}
		}, everything, access.Rule{Callers: []string{"reader"}, Allow: []string{"get"}, Stores: []string{"*"}, Names: []string{"*"}})
		put(t, w, refA, "hush", "hush", "hush")
		p := secret.Part{Limit: 2}
		if page, err := w.Versions(t.Context(), call, refA, p); err != nil || !page.More {
			t.Fatalf("%s: %v", what, err)
		}
		other := call
		other.Caller = access.Caller{ID: "reader"}
		for _, after := range []secret.Selector{{}, secret.ByOrdinal(2)} {
			p.After = after
			_, err := w.Versions(t.Context(), other, refA, p)
			wantKind(t, err, secret.Denied)
			_, err = w.VersionsWithTrash(t.Context(), other, refA, p)
			wantKind(t, err, secret.Denied)
		}
		remove(t, w, refA)
		_, err := w.Versions(t.Context(), call, refA, p)
		wantKind(t, err, secret.NotFound)
		for _, after := range []secret.Ordinal{0, 2} {
			p.After = secret.ByOrdinal(after)
			if page, err := w.VersionsWithTrash(t.Context(), call, refA, p); err != nil || page.Secret.Deleted == nil || page.More != (after == 0) {
				t.Errorf("%s: what is in the trash: %v", what, err)
			}
		}
		c.advance(week)
		_, err = w.VersionsWithTrash(t.Context(), call, refA, p)
		wantKind(t, err, secret.NotFound)
		lines := w.lines(t)
		if last := lines[len(lines)-1]; last.Action != "list" || last.Name != "n" || last.Result != "not found" {
			t.Errorf("%s: the last line of the audit is %+v", what, last)
		}
	}
}
