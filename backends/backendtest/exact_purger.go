package backendtest

import (
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// testPurgeExactly: what was seen in the trash is purged, and nothing that came
// into its place.
func testPurgeExactly(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	p, ok := b.(backends.ExactPurger)
	if !ok {
		t.Skip("the store does not tell one deletion of a name from another")
	}
	put(ctx, t, b, "s", text("canary-1"))
	seen := remove(ctx, t, b, b, "s")
	wantErr(t, "PurgeExactly of another name", p.PurgeExactly(ctx, &secret.Secret{Name: "t", Deleted: seen.Deleted}), secret.NotFound)
	for _, back := range []func(){
		func() { recoverTrash(ctx, t, b, "s"); put(ctx, t, b, "s", text("canary-2")) },
		func() { mustPurge(t, b.Purge(ctx, "s")); put(ctx, t, b, "s", text("canary-3")) },
	} {
		back()
		wantErr(t, "PurgeExactly of what is live again", p.PurgeExactly(ctx, seen), secret.NotFound)
		again := remove(ctx, t, b, b, "s")
		wantErr(t, "PurgeExactly of another deletion", p.PurgeExactly(ctx, seen), secret.NotFound)
		seen = describeTrash(ctx, t, b, "s")
		compareAs(t, "what another deletion left", again, seen)
	}
	later := *seen
	later.Deleted = &secret.Deletion{At: seen.Deleted.At.Add(time.Second), Purge: seen.Deleted.Purge}
	wantErr(t, "PurgeExactly of a later deletion", p.PurgeExactly(ctx, &later), secret.NotFound)
	mustPurge(t, p.PurgeExactly(ctx, seen))
	wantErr(t, "PurgeExactly again", p.PurgeExactly(ctx, seen), secret.NotFound)
	_, err := b.DescribeTrash(ctx, "s")
	wantErr(t, "DescribeTrash of what is purged", err, secret.NotFound)
}

func mustPurge(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("Purge: %v", checkErr(t, err))
	}
}
