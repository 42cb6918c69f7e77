package backendtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// testTrashCancelled: a caller who has gone changes nothing.
func testTrashCancelled(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	put(ctx, t, b, "live", text(canary+"x"))
	put(ctx, t, b, "dead", text(canary+"y"))
	before := export(ctx, t, b, "live")
	deleted := remove(ctx, t, b, tr, "dead")
	gone, cancel := context.WithCancel(ctx)
	cancel()
	calls := map[string]func() error{
		"Delete":        func() error { _, err := tr.Delete(gone, "live", in90Days()); return err },
		"DescribeTrash": func() error { _, err := tr.DescribeTrash(gone, "dead"); return err },
		"ListTrash":     func() error { _, err := tr.ListTrash(gone, secret.Query{}); return err },
		"Recover":       func() error { _, err := tr.Recover(gone, "dead"); return err },
		"Purge":         func() error { return tr.Purge(gone, "dead") },
		"Update": func() error {
			_, err := b.Update(gone, "live", secret.Current, secret.Patch{Disabled: ptr(true)})
			return err
		},
	}
	for what, call := range calls {
		err := call()
		wantErr(t, what+" for a caller who has gone", err, secret.Unavailable, secret.Unknown)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the error does not say that the caller has gone: %v", what, err)
		}
	}
	compareAs(t, "what was live, after cancelled calls", before, export(ctx, t, b, "live"))
	shown := describeTrash(ctx, t, tr, "dead")
	compareAs(t, "what was in the trash, after cancelled calls", shownInTrash(b, deleted, shown), shown)
}

// testTrashCancelledMidway: a call that loses its caller midway returns soon,
// and what it says is so: done, not done, or not known.
func testTrashCancelledMidway(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	mustImport(ctx, t, b, bare("s", 1, 2, 3), "")
	before := export(ctx, t, b, "s")
	delay := 20 * time.Microsecond
	for i := range 10 {
		_, err := hurried(ctx, t, delay, func(ctx context.Context) (*secret.Secret, error) { return tr.Delete(ctx, "s", in90Days()) })
		said(t, "Delete", err, !isLive(ctx, t, b, "s"))
		settled(ctx, t, tr, "s")
		_, err = hurried(ctx, t, delay, func(ctx context.Context) (*secret.Secret, error) { return tr.Recover(ctx, "s") })
		said(t, "Recover", err, isLive(ctx, t, b, "s"))
		if _, err := tr.Recover(ctx, "s"); err != nil && !errors.Is(err, secret.NotFound) {
			t.Fatalf("Recover: %v", checkErr(t, err))
		}
		compareAs(t, "after calls that lost their callers", before, export(ctx, t, b, "s"))
		name := secret.Name(fmt.Sprint("purged-", i))
		put(ctx, t, b, name, text(canary+"x"))
		remove(ctx, t, b, tr, name)
		_, err = hurried(ctx, t, delay, func(ctx context.Context) (struct{}, error) { return struct{}{}, tr.Purge(ctx, name) })
		_, there := tr.DescribeTrash(ctx, name)
		said(t, "Purge", err, errors.Is(there, secret.NotFound))
		if isLive(ctx, t, b, name) {
			t.Error("a purge that lost its caller has brought the secret back")
		}
		delay *= 2
	}
}

// settled leaves the name in the trash, though a delete that nobody waits for
// any more may still take effect at this moment.
func settled(ctx context.Context, t *testing.T, tr backends.Backend, name secret.Name) {
	t.Helper()
	if _, err := tr.Delete(ctx, name, in90Days()); err != nil && !errors.Is(err, secret.NotFound) {
		t.Fatalf("Delete: %v", checkErr(t, err))
	}
	if _, err := tr.DescribeTrash(ctx, name); err != nil {
		t.Fatalf("DescribeTrash: %v", checkErr(t, err))
	}
}

// testUpdateCancelledMidway is the same for updates. Each is of another secret, for one
// that nobody waits for any more may still take effect at any moment.
func testUpdateCancelledMidway(t *testing.T, h Harness) {
	ctx, b, u := beginUpdate(t, h)
	delay := 20 * time.Microsecond
	for i := range 10 {
		name := secret.Name(fmt.Sprint("s", i))
		put(ctx, t, b, name, text(canary+"x"))
		before := export(ctx, t, b, name)
		p := secret.Patch{ContentType: ptr(fmt.Sprint("a/", i)), Tags: &map[string]string{"i": fmt.Sprint(i)}}
		_, err := hurried(ctx, t, delay, func(ctx context.Context) (*secret.Secret, error) { return u.Update(ctx, name, secret.Current, p) })
		after := export(ctx, t, b, name)
		done := len(Differences(before, after, nil)) > 0
		said(t, "Update", err, done)
		if err == nil { // only an outcome that is not known may be half an update
			next := patched(before, secret.Current, p)
			next.Updated, next.Versions[0].Updated = after.Updated, after.Versions[0].Updated
			compareAs(t, "an update that lost its caller", next, after)
		}
		delay *= 2
	}
}

// said holds err against whether it is done.
func said(t *testing.T, what string, err error, done bool) {
	t.Helper()
	if err == nil && !done {
		t.Errorf("%s succeeded, and it is not done", what)
	}
	if errors.Is(err, secret.Unavailable) && done {
		t.Errorf("%s says that nothing was changed, and it is done", what)
	}
}

func isLive(ctx context.Context, t *testing.T, b backends.Backend, name secret.Name) bool {
	t.Helper()
	_, err := b.Describe(ctx, name)
	if err != nil {
		_ = checkErr(t, err, secret.NotFound)
	}
	return err == nil
}
