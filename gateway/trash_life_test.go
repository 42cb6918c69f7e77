package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

const week = 7 * 24 * time.Hour

// timed is a service with a clock, whose store a keeps deleted secrets for a
// week.
func timed(t *testing.T, change func(*gateway.Options), rules ...access.Rule) (*world, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)}
	return newWorld(t, func(o *gateway.Options) {
		o.Now = c.Now
		o.Stores[0].RetentionDays = 7
		if change != nil {
			change(o)
		}
	}, rules...), c
}

func remove(t *testing.T, w *world, r gateway.Ref) *secret.Secret {
	t.Helper()
	sec, err := w.Delete(t.Context(), call, r)
	if err != nil {
		t.Fatal(err)
	}
	return sec
}

func ptr[T any](v T) *T { return &v }

func TestUpdate(t *testing.T) {
	t.Parallel()
	w, _ := timed(t, nil)
	put(t, w, refA, "hush1", "hush2")
	before := len(w.lines(t))
	got, err := w.Update(t.Context(), call, refA, secret.ByOrdinal(1), secret.Patch{Disabled: ptr(true), Description: ptr("d")})
	if err != nil || got.Description != "d" || len(got.Versions) != 1 || !got.Versions[0].Disabled || !got.Versions[0].Value.IsNone() {
		t.Fatalf("update: %v, or the answer is not that version without its value", err)
	}
	_, err = w.Get(t.Context(), call, refA, secret.ByOrdinal(1))
	wantKind(t, err, secret.Disabled)
	_, err = w.Update(t.Context(), call, refA, secret.ByOrdinal(9), secret.Patch{})
	wantKind(t, err, secret.NotFound)
	_, err = w.Update(t.Context(), call, refA, secret.Current, secret.Patch{AddStages: []string{""}})
	wantKind(t, err, secret.Invalid)
	lines := w.lines(t)[before:]
	if e := lines[0]; e.Phase != audit.Intent || e.Action != "update" || e.Name != "n" {
		t.Errorf("intent: %+v", e)
	}
	if e := lines[1]; e.Phase != audit.Outcome || e.Result != "ok" || !slices.Equal(e.Versions, []int64{1}) || e.BackendOps == 0 {
		t.Errorf("outcome: %+v", e)
	}
}

func TestTrashLife(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refA, "hush1", "hush2")
	before := len(w.lines(t))
	sec := remove(t, w, refA)
	if sec.Deleted == nil || !sec.Deleted.Purge.Equal(c.Now().Add(week)) || len(sec.Versions) != 2 || sec.Size() != 0 {
		t.Fatalf("deleted: %+v, %d versions", sec.Deleted, len(sec.Versions))
	}
	_, err := w.Get(t.Context(), call, refA, secret.Current)
	wantKind(t, err, secret.NotFound)
	_, err = w.Delete(t.Context(), call, refA)
	wantKind(t, err, secret.NotFound)
	_, err = w.Put(t.Context(), call, refA, draft("hush3"))
	wantKind(t, err, secret.Trashed)
	if sec, err = w.DescribeTrash(t.Context(), call, refA); err != nil || sec.Deleted == nil {
		t.Errorf("describe: %v", err)
	}
	if p, err := w.ListTrash(t.Context(), call, "a", secret.Query{}); err != nil || len(p.Secrets) != 1 || p.Secrets[0].Name != "n" {
		t.Errorf("list: %d, %v", len(p.Secrets), err)
	}
	if sec, err = w.Recover(t.Context(), call, refA); err != nil || sec.Deleted != nil || len(sec.Versions) != 2 {
		t.Errorf("recover: %v", err)
	}
	if got, err := w.Get(t.Context(), call, refA, secret.ByOrdinal(1)); err != nil || !got.Newest().Value.Equal(secret.TextValue("hush1")) {
		t.Errorf("after recover: %v", err)
	}
	wantKind(t, w.Purge(t.Context(), call, refA), secret.NotFound)
	remove(t, w, refA)
	if err := w.Purge(t.Context(), call, refA); err != nil {
		t.Error(err)
	}
	_, err = w.Recover(t.Context(), call, refA)
	wantKind(t, err, secret.NotFound)
	if sec := put(t, w, refA, "hush4"); sec.Newest().Ordinal != 1 {
		t.Errorf("a purged name begins with version %d", sec.Newest().Ordinal)
	}
	said := actions(w.lines(t)[before:])
	want := []string{
		"delete ok", "get not found", "delete not found", "set deleted but recoverable", "list ok", "list ok", "recover ok",
		"get ok", "purge not found", "delete ok", "purge ok", "recover not found", "set ok",
	}
	if !slices.Equal(said, want) {
		t.Errorf("audit:\n%q, want\n%q", said, want)
	}
}

// actions are the outcomes in a few words.
func actions(lines []audit.Entry) (out []string) {
	for _, e := range lines {
		if e.Phase == audit.Outcome {
			out = append(out, e.Action+" "+e.Result)
		}
	}
	return out
}

// TestTrashExpires: until the very moment a deleted secret is there, and from
// it on it is as if it were gone, though nobody has cleaned the product.
func TestTrashExpires(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refA, "hush")
	remove(t, w, refA)
	c.advance(week - 1)
	if _, err := w.DescribeTrash(t.Context(), call, refA); err != nil {
		t.Errorf("just before: %v", err)
	}
	_, err := w.Put(t.Context(), call, refA, draft("hush"))
	wantKind(t, err, secret.Trashed)
	c.advance(1)
	_, err = w.DescribeTrash(t.Context(), call, refA)
	wantKind(t, err, secret.NotFound)
	_, err = w.Recover(t.Context(), call, refA)
	wantKind(t, err, secret.NotFound)
	wantKind(t, w.Purge(t.Context(), call, refA), secret.NotFound)
	if p, err := w.ListTrash(t.Context(), call, "a", secret.Query{}); err != nil || len(p.Secrets) != 0 {
		t.Errorf("%d in the trash, %v", len(p.Secrets), err)
	}
	if _, err := trash(w).DescribeTrash(t.Context(), "n"); err != nil {
		t.Errorf("a read has cleaned the product: %v", err)
	}
}

// trash is that of the product behind store a.
func trash(w *world) backends.Backend { return w.a.Backend }

// TestNameIsUsedAgain: a write or a restore onto what is over purges it first,
// and the audit tells both.
func TestNameIsUsedAgain(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refB, "hush-b1", "hush-b2")
	blob, err := w.Backup(t.Context(), call, refB)
	if err != nil {
		t.Fatal(err)
	}
	restore := func(o gateway.RestoreOptions) (*gateway.Outcome, error) {
		return w.Restore(t.Context(), call, "a", blob, o)
	}
	put(t, w, refA, "hush1", "hush2", "hush3")
	remove(t, w, refA)
	for _, o := range []gateway.RestoreOptions{{}, {DryRun: true}, {OnConflict: gateway.ConflictSkip}, {OnConflict: gateway.ConflictAppend}} {
		_, err = restore(o)
		wantKind(t, err, secret.Trashed)
	}
	c.advance(week)
	before := len(w.lines(t))
	if sec := put(t, w, refA, "hush4"); sec.Newest().Ordinal != 1 {
		t.Errorf("the name begins with version %d", sec.Newest().Ordinal)
	}
	lines := w.lines(t)[before:]
	if len(lines) != 4 || lines[0].Action != "set" || lines[1].Action != "purge" || lines[1].Phase != audit.Intent || lines[1].RequestID != "r1" ||
		lines[2].Action != "purge" || lines[2].Phase != audit.Outcome || lines[2].Result != "ok" || lines[2].Name != "n" || lines[3].Result != "ok" {
		t.Errorf("audit: %q of %d lines", actions(lines), len(lines))
	}
	remove(t, w, refA)
	c.advance(week)
	if _, err := restore(gateway.RestoreOptions{DryRun: true}); err != nil {
		t.Errorf("a dry run onto what is over: %v", err)
	}
	if _, err := trash(w).DescribeTrash(t.Context(), "n"); err != nil {
		t.Errorf("a dry run has purged: %v", err)
	}
	if out, err := restore(gateway.RestoreOptions{}); err != nil || len(out.Secret.Versions) != 2 {
		t.Errorf("restore onto what is over: %v", err)
	}
}

// TestNoPurgeWithoutAudit: what cannot be told is not purged on the way.
func TestNoPurgeWithoutAudit(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refA, "hush")
	remove(t, w, refA)
	c.advance(week)
	w.a.Before = func(_ context.Context, method string) error {
		w.disk.full.Store(method == "DescribeTrash" || w.disk.full.Load())
		return nil
	}
	if _, err := w.Put(t.Context(), call, refA, draft("hush")); err == nil {
		t.Error("a write without an audit line succeeds")
	}
	if _, err := trash(w).DescribeTrash(t.Context(), "n"); err != nil {
		t.Errorf("purged without an audit line: %v", err)
	}
}

// TestManyUseANameAgain: of many who find a name over, all write.
func TestManyUseANameAgain(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refA, "hush")
	remove(t, w, refA)
	c.advance(week)
	const many = 32
	var wg sync.WaitGroup
	for i := range many {
		wg.Go(func() {
			if _, err := w.Put(t.Context(), call, refA, draft(fmt.Sprint("hush", i))); err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	sec, err := w.Describe(t.Context(), call, refA)
	if err != nil || len(sec.Versions) != many {
		t.Fatalf("%v, or some of %d versions are gone", err, many)
	}
}

func TestPurgeProtection(t *testing.T) {
	t.Parallel()
	w, c := timed(t, func(o *gateway.Options) { o.Stores[0].PurgeProtection = true })
	put(t, w, refA, "hush")
	wantKind(t, w.Purge(t.Context(), call, refA), secret.NotFound)
	remove(t, w, refA)
	err := w.Purge(t.Context(), call, refA)
	wantKind(t, err, secret.Denied)
	if secret.DetailOf(err) != gateway.PurgeProtected {
		t.Errorf("detail %q", secret.DetailOf(err))
	}
	if _, err := w.Recover(t.Context(), call, refA); err != nil {
		t.Errorf("what was protected cannot be recovered: %v", err)
	}
	remove(t, w, refA)
	if swept, err := w.Sweep(t.Context(), call, "a", false); err != nil || len(swept.Names) != 0 {
		t.Errorf("swept %v, %v", swept, err)
	}
	c.advance(week)
	wantKind(t, w.Purge(t.Context(), call, refA), secret.NotFound)
	if swept, err := w.Sweep(t.Context(), call, "a", false); err != nil || !slices.Equal(swept.Names, []secret.Name{"n"}) {
		t.Errorf("when it is over: swept %v, %v", swept, err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	for _, n := range []secret.Name{"early1", "early2", "early3", "live"} {
		put(t, w, gateway.Ref{Store: "a", Name: n}, "hush")
	}
	for _, n := range []secret.Name{"early1", "early2", "early3"} {
		remove(t, w, gateway.Ref{Store: "a", Name: n})
	}
	c.advance(week / 2)
	put(t, w, gateway.Ref{Store: "a", Name: "late"}, "hush")
	remove(t, w, gateway.Ref{Store: "a", Name: "late"})
	c.advance(week / 2)
	due := []secret.Name{"early1", "early2", "early3"}
	for range 2 { // a dry run changes nothing
		if would, err := w.Sweep(t.Context(), call, "a", true); err != nil || !slices.Equal(would.Names, due) {
			t.Errorf("would sweep %v, %v", would, err)
		}
	}
	n := 0
	w.a.Before = func(_ context.Context, method string) error {
		if method == "Purge" {
			if n++; n == 2 {
				return secret.Errorf(secret.Conflict, "")
			}
		}
		return nil
	}
	swept, err := w.Sweep(t.Context(), call, "a", false)
	wantKind(t, err, secret.Conflict)
	if !slices.Equal(swept.Names, []secret.Name{"early1", "early3"}) {
		t.Errorf("past one that fails: swept %v", swept)
	}
	if swept, err = w.Sweep(t.Context(), call, "a", false); err != nil || !slices.Equal(swept.Names, []secret.Name{"early2"}) {
		t.Errorf("again: swept %v, %v", swept, err)
	}
	if _, err := w.DescribeTrash(t.Context(), call, gateway.Ref{Store: "a", Name: "late"}); err != nil {
		t.Errorf("what was not due: %v", err)
	}
	if _, err := w.Get(t.Context(), call, gateway.Ref{Store: "a", Name: "live"}, secret.Current); err != nil {
		t.Errorf("what was live: %v", err)
	}
}
