package backendtest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// beginTrash is begin for cases of backends.Backend.
func beginTrash(t *testing.T, h Harness) (context.Context, backends.Backend, backends.Backend) {
	t.Helper()
	ctx, b := begin(t, h)
	return ctx, b, b
}

// in90Days is the longest retention of any dialect, in whole seconds.
func in90Days() time.Time { return time.Now().UTC().AddDate(0, 0, 90).Truncate(time.Second) }

// slack is how far a product that reckons the date itself may be off.
const slack = time.Hour

// remove deletes name and proves that the answer is what stood, without
// values, and deleted.
func remove(ctx context.Context, t *testing.T, b backends.Backend, tr backends.Backend, name secret.Name) *secret.Secret {
	t.Helper()
	want, purge := attributesOf(describe(ctx, t, b, name)), in90Days()
	got, err := tr.Delete(ctx, name, purge)
	if most := b.Capabilities().MaxRetention; most > 0 {
		purge = earlier(purge, time.Now().Add(most))
	}
	if err != nil {
		t.Fatalf("Delete %q: %v", name, checkErr(t, err))
	}
	d := got.Deleted
	switch {
	case d == nil:
		t.Fatalf("Delete %q: the answer is not deleted", name)
	case d.At.IsZero() || d.At.After(time.Now().Add(slack)):
		t.Errorf("Delete %q: deleted at %v", name, d.At)
	case d.Purge.Before(purge.Add(-slack)) || d.Purge.After(purge.Add(slack)):
		t.Errorf("Delete %q until %v: the answer says until %v", name, purge, d.Purge)
	}
	want.Deleted = d
	compareAs(t, "the answer to Delete", want, noValues(t, "Delete", got))
	return attributesOf(got)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func noValues(t *testing.T, what string, s *secret.Secret) *secret.Secret {
	t.Helper()
	if slices.ContainsFunc(s.Versions, func(v secret.Version) bool { return !v.Value.IsNone() }) {
		t.Errorf("%s returns values", what)
	}
	return attributesOf(s)
}

func describeTrash(ctx context.Context, t *testing.T, tr backends.Backend, name secret.Name) *secret.Secret {
	t.Helper()
	s, err := tr.DescribeTrash(ctx, name)
	if err != nil {
		t.Fatalf("DescribeTrash %q: %v", name, checkErr(t, err))
	}
	return noValues(t, "DescribeTrash", s)
}

func recoverTrash(ctx context.Context, t *testing.T, tr backends.Backend, name secret.Name) *secret.Secret {
	t.Helper()
	s, err := tr.Recover(ctx, name)
	if err != nil {
		t.Fatalf("Recover %q: %v", name, checkErr(t, err))
	}
	if s.Deleted != nil {
		t.Errorf("Recover %q: the answer is still deleted", name)
	}
	return noValues(t, "Recover", s)
}

func purge(ctx context.Context, t *testing.T, tr backends.Backend, name secret.Name) {
	t.Helper()
	if err := tr.Purge(ctx, name); err != nil {
		t.Fatalf("Purge %q: %v", name, checkErr(t, err))
	}
}

// testTrash is the life of a secret that uses all of the model: deleted,
// recovered as it was, deleted again, purged, and its name used again.
func testTrash(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	mustImport(ctx, t, b, Sample("s"), "")
	put(ctx, t, b, "s", text(canary+"newest"))
	before := export(ctx, t, b, "s")
	for range 2 {
		deleted := remove(ctx, t, b, tr, "s")
		checkTrashed(ctx, t, b, tr, deleted)
		compareAs(t, "the answer to Recover", attributesOf(before), recoverTrash(ctx, t, tr, "s"))
		checkNotTrashed(ctx, t, tr, "s")
		compareAs(t, "after Recover", before, export(ctx, t, b, "s"))
		for i := range before.Versions {
			v := &before.Versions[i]
			compareAs(t, "Get by UID after Recover", before.Only(v.Ordinal), getSecret(ctx, t, b, "s", secret.ByUID(v.UID)))
		}
	}
	v := put(ctx, t, b, "s", text(canary+"after"))
	if v.Ordinal <= before.Newest().Ordinal {
		t.Errorf("version %d follows version %d after Recover", v.Ordinal, before.Newest().Ordinal)
	}
	remove(ctx, t, b, tr, "s")
	purge(ctx, t, tr, "s")
	checkNotTrashed(ctx, t, tr, "s")
	checkGone(ctx, t, b, "s")
	again := put(ctx, t, b, "s", text(canary+"again"))
	if got := export(ctx, t, b, "s"); len(got.Versions) != 1 || got.Current != again.Ordinal || got.Previous != 0 || got.Description != "" {
		t.Error("after Purge the new secret of the name has something of the old one")
	}
	_, err := b.Get(ctx, "s", secret.ByUID(v.UID))
	wantErr(t, "Get of a purged version", err, secret.NotFound)
	remove(ctx, t, b, tr, "s")
	purge(ctx, t, tr, "s")
	src := Sample("s")
	src.Deleted = &secret.Deletion{At: sampleTime, Purge: in90Days()}
	if done := mustImport(ctx, t, b, src, ""); done.Secret.Deleted != nil {
		t.Error("what is imported is deleted")
	}
	src.Deleted = nil
	Compare(t, src, export(ctx, t, b, "s"), b.Forecast(src))
}

// testTrashForEver: a deletion may have no end. A product that reckons one
// itself says its own.
func testTrashForEver(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	put(ctx, t, b, "s", text(canary+"x"))
	before := export(ctx, t, b, "s")
	if _, err := tr.Delete(ctx, "s", time.Time{}); err != nil {
		t.Fatalf("Delete for ever: %v", checkErr(t, err))
	}
	if d := describeTrash(ctx, t, tr, "s").Deleted; d == nil || !d.Purge.IsZero() && d.Purge.Before(time.Now()) {
		t.Errorf("deleted for ever is %v", d)
	}
	compareAs(t, "the answer to Recover", attributesOf(before), recoverTrash(ctx, t, tr, "s"))
	compareAs(t, "after Recover", before, export(ctx, t, b, "s"))
}

// checkTrashed proves what must be true of a name in the trash.
func checkTrashed(ctx context.Context, t *testing.T, b backends.Backend, tr backends.Backend, deleted *secret.Secret) {
	t.Helper()
	name := deleted.Name
	checkGone(ctx, t, b, name)
	d := text(canary + "onto the trash")
	_, err := b.Put(ctx, name, d)
	wantErr(t, "Put onto the trash", err, secret.Trashed)
	d.OnlyIfAbsent = true
	_, err = b.Put(ctx, name, d)
	wantErr(t, "Put of a new secret onto the trash", err, secret.Trashed)
	_, err = b.Import(ctx, Sample(name), "token")
	wantErr(t, "Import onto the trash", err, secret.Trashed)
	_, err = tr.Delete(ctx, name, in90Days().AddDate(0, 0, -30))
	wantErr(t, "Delete of the trash", err, secret.NotFound)
	shown := describeTrash(ctx, t, tr, name)
	compareAs(t, "DescribeTrash", shownInTrash(b, deleted, shown), shown)
	p, err := tr.ListTrash(ctx, secret.Query{})
	if err != nil {
		t.Fatalf("ListTrash: %v", checkErr(t, err))
	}
	i := slices.IndexFunc(p.Secrets, func(s *secret.Secret) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("ListTrash leaves out %q", name)
	}
	s := noValues(t, "ListTrash", p.Secrets[i])
	at := deleted.Current
	if b.Capabilities().TrashHidesVersions {
		at = shown.Newest().Ordinal
	}
	if s.Find(secret.ByOrdinal(at)) == nil {
		t.Fatalf("ListTrash leaves out version %d", at)
	}
	compareAs(t, "ListTrash", deleted.Only(at), s.Only(at))
}

// shownInTrash is deleted as the store shows it: with one version where it
// says so.
func shownInTrash(b backends.Backend, deleted, shown *secret.Secret) *secret.Secret {
	if b.Capabilities().TrashHidesVersions && len(shown.Versions) == 1 {
		return deleted.Only(shown.Versions[0].Ordinal)
	}
	return deleted
}

// checkGone proves that no call on live secrets finds name.
func checkGone(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name) {
	t.Helper()
	_, err := b.Get(ctx, name, secret.Current)
	wantErr(t, "Get of what is deleted", err, secret.NotFound)
	_, err = b.Get(ctx, name, secret.ByOrdinal(1))
	wantErr(t, "Get by ordinal of what is deleted", err, secret.NotFound)
	_, err = b.Describe(ctx, name)
	wantErr(t, "Describe of what is deleted", err, secret.NotFound)
	_, err = b.Export(ctx, name)
	wantErr(t, "Export of what is deleted", err, secret.NotFound)
	_, err = b.Update(ctx, name, secret.Current, secret.Patch{Disabled: ptr(true)})
	wantErr(t, "Update of what is deleted", err, secret.NotFound)
	if slices.Contains(names(ctx, t, b, 0), name) {
		t.Errorf("List shows %q, which is deleted", name)
	}
}

func checkNotTrashed(ctx context.Context, t *testing.T, tr backends.Backend, name secret.Name) {
	t.Helper()
	_, err := tr.DescribeTrash(ctx, name)
	wantErr(t, "DescribeTrash of what is not in it", err, secret.NotFound)
	_, err = tr.Recover(ctx, name)
	wantErr(t, "Recover of what is not in the trash", err, secret.NotFound)
	wantErr(t, "Purge of what is not in the trash", tr.Purge(ctx, name), secret.NotFound)
	if slices.Contains(namesBy(ctx, t, tr.ListTrash, 0), name) {
		t.Errorf("ListTrash shows %q, which is not in it", name)
	}
}

// testTrashNeighbours: what is done to one name is not done to names that
// begin with it.
func testTrashNeighbours(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	near := []secret.Name{"s", "s/x", "s/x/y", "sx", "s!", "S"}
	if b.Capabilities().FoldsCase {
		near = near[:len(near)-1]
	}
	before := map[secret.Name]*secret.Secret{}
	for _, name := range near {
		put(ctx, t, b, name, text(canary+string(name)))
		put(ctx, t, b, name, text(canary+string(name)+"2"))
		before[name] = export(ctx, t, b, name)
	}
	remove(ctx, t, b, tr, "s/x")
	remove(ctx, t, b, tr, "s")
	for _, name := range near[2:] {
		compareAs(t, fmt.Sprintf("%q beside what was deleted", name), before[name], export(ctx, t, b, name))
	}
	purge(ctx, t, tr, "s")
	compareAs(t, "after a neighbour was purged", before["s/x"], recovered(ctx, t, b, tr, "s/x"))
	for _, name := range near[2:] {
		compareAs(t, fmt.Sprintf("%q beside what was purged", name), before[name], export(ctx, t, b, name))
	}
}

func recovered(ctx context.Context, t *testing.T, b backends.Backend, tr backends.Backend, name secret.Name) *secret.Secret {
	t.Helper()
	recoverTrash(ctx, t, tr, name)
	return export(ctx, t, b, name)
}

func testTrashNotFound(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	put(ctx, t, b, "live", text(canary+"x"))
	put(ctx, t, b, "dead", text(canary+"y"))
	before := export(ctx, t, b, "live")
	deleted := remove(ctx, t, b, tr, "dead")
	for _, name := range []secret.Name{"absent", "dea", "dead2", "dead/", "dead/x", "liv"} {
		_, err := tr.Delete(ctx, name, in90Days())
		wantErr(t, "Delete of an absent name", err, secret.NotFound)
		checkNotTrashed(ctx, t, tr, name)
	}
	checkNotTrashed(ctx, t, tr, "live")
	compareAs(t, "what is live", before, export(ctx, t, b, "live"))
	shown := describeTrash(ctx, t, tr, "dead")
	compareAs(t, "what is in the trash", shownInTrash(b, deleted, shown), shown)
}

func testTrashPaging(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	if got := namesBy(ctx, t, tr.ListTrash, 0); len(got) != 0 {
		t.Fatalf("the trash of a fresh store holds %d secrets", len(got))
	}
	all := []secret.Name{"a", "a-b", "a/b", "a/c/d", "a0", "b", "b/a", "c", "ü"}
	for _, name := range all {
		put(ctx, t, b, name, text("x"))
	}
	want := []secret.Name{"a", "a/b", "a0", "b/a", "c", "ü"}
	for _, name := range slices.Backward(want) {
		remove(ctx, t, b, tr, name)
	}
	slices.Sort(want)
	for _, limit := range []int{0, 1, 2, 3, 5, 6, 7, 1000} {
		if got := namesBy(ctx, t, tr.ListTrash, limit); !slices.Equal(got, want) {
			t.Errorf("the trash by pages of %d: %q, want %q", limit, got, want)
		}
	}
	if got, live := names(ctx, t, b, 2), []secret.Name{"a-b", "a/c/d", "b"}; !slices.Equal(got, live) {
		t.Errorf("beside the trash are listed %q, want %q", got, live)
	}
	p, err := tr.ListTrash(ctx, secret.Query{Limit: 2})
	if err != nil {
		t.Fatalf("ListTrash: %v", checkErr(t, err))
	}
	first := len(p.Secrets)       // a page may be short
	for _, s := range p.Secrets { // a page goes on though its border is gone
		purge(ctx, t, tr, s.Name)
	}
	var rest []secret.Name
	for q := (secret.Query{After: p.Next, Limit: 2}); q.After != ""; q.After = p.Next {
		if p, err = tr.ListTrash(ctx, q); err != nil {
			t.Fatalf("ListTrash after %q: %v", q.After, checkErr(t, err))
		}
		for _, s := range p.Secrets {
			rest = append(rest, s.Name)
		}
	}
	if !slices.Equal(rest, want[first:]) {
		t.Errorf("after the first page was purged come %q, want %q", rest, want[first:])
	}
}

func testTrashAliasing(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	mustImport(ctx, t, b, Sample("s"), "")
	before := export(ctx, t, b, "s")
	want := remove(ctx, t, b, tr, "s")
	for range 2 {
		s, err := tr.DescribeTrash(ctx, "s")
		if err != nil {
			t.Fatal(checkErr(t, err))
		}
		p, err := tr.ListTrash(ctx, secret.Query{})
		if err != nil || len(p.Secrets) != 1 {
			t.Fatalf("ListTrash: %d secrets, %v", len(p.Secrets), err)
		}
		for _, s := range []*secret.Secret{s, p.Secrets[0]} {
			spoil(s)
			s.Deleted.At, s.Deleted.Purge = time.Time{}, time.Time{}
		}
	}
	shown := describeTrash(ctx, t, tr, "s")
	compareAs(t, "after the caller changed its own", shownInTrash(b, want, shown), shown)
	s, err := tr.Recover(ctx, "s")
	if err != nil {
		t.Fatal(checkErr(t, err))
	}
	spoil(s)
	compareAs(t, "after the caller changed what was recovered", before, export(ctx, t, b, "s"))
}

func testTrashReopen(t *testing.T, h Harness) {
	if h.Reopen == nil {
		t.Skip("the store is not embedded, or not durable")
	}
	ctx, b, tr := beginTrash(t, h)
	for _, name := range []secret.Name{"recovered", "purged", "deleted"} {
		mustImport(ctx, t, b, Sample(name), "")
	}
	before := export(ctx, t, b, "deleted")
	recoveredBefore := export(ctx, t, b, "recovered")
	remove(ctx, t, b, tr, "recovered")
	recoverTrash(ctx, t, tr, "recovered")
	remove(ctx, t, b, tr, "purged")
	purge(ctx, t, tr, "purged")
	want := remove(ctx, t, b, tr, "deleted")
	b = h.Reopen(t, b)
	tr = b
	checkTrashed(ctx, t, b, tr, want)
	checkGone(ctx, t, b, "purged")
	checkNotTrashed(ctx, t, tr, "purged")
	compareAs(t, "recovered before the end", recoveredBefore, export(ctx, t, b, "recovered"))
	compareAs(t, "recovered after it", before, recovered(ctx, t, b, tr, "deleted"))
}
