package gateway_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// racers call at once. All must find nothing any more but those who are counted.
func racers(t *testing.T, what string, do func() error) (won int) {
	t.Helper()
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			switch err := do(); {
			case err == nil:
				n.Add(1)
			case !errors.Is(err, secret.NotFound):
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	wg.Wait()
	return int(n.Load())
}

// products are one that tells deletions apart and one that does not.
func products(t *testing.T) map[string]*world {
	t.Helper()
	blind := newWorld(t, nil)
	blind.a.Before = func(context.Context, string) error { // others look before this one goes on
		runtime.Gosched()
		return nil
	}
	return map[string]*world{
		"any deletion": blind,
		"one deletion": newWorld(t, func(o *gateway.Options) { o.Stores[0].Backend = memory.New(memory.Options{}) }),
	}
}

// TestOnePurgePerDeletion: whoever is told of a purge has purged a deletion of
// his own, and the audit names its versions.
func TestOnePurgePerDeletion(t *testing.T) {
	t.Parallel()
	for name, w := range products(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var deletions atomic.Int64
			remake := func(versions int) {
				var err error
				for range versions {
					_, putErr := w.Put(t.Context(), call, refA, draft("hush"))
					err = errors.Join(err, putErr)
				}
				deletions.Add(1)
				_, deleteErr := w.Delete(t.Context(), call, refA)
				if err = errors.Join(err, deleteErr); err != nil {
					t.Error(err)
				}
			}
			remake(1)
			purged := 0
			for round := range 200 {
				purged += racers(t, "purge", func() error {
					err := w.Purge(t.Context(), call, refA)
					if err == nil { // the name is free: nobody else makes it anew
						remake(2 + round%3)
					}
					return err
				})
			}
			if n := int(deletions.Load()); n != purged+1 {
				t.Errorf("%d purges are acknowledged for %d deletions, of which one stands", purged, n)
			}
			var standing []int64
			for _, e := range w.lines(t) {
				switch {
				case e.Phase != audit.Outcome || e.Result != "ok":
				case e.Action == "delete":
					standing = e.Versions
				case e.Action == "purge":
					if !slices.Equal(e.Versions, standing) || standing == nil {
						t.Fatalf("line %d: a purge of versions %v, where %v were deleted", e.Seq, e.Versions, standing)
					}
					standing = nil
				}
			}
		})
	}
}

// TestOneEndPerDeletion: of those who delete, recover or destroy one name at
// once, one is told that he did.
func TestOneEndPerDeletion(t *testing.T) {
	t.Parallel()
	for name, w := range products(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			one := func(what string, do func() error) {
				t.Helper()
				if n := racers(t, what, do); n != 1 {
					t.Fatalf("%s: %d are told that they did it", what, n)
				}
			}
			for range 50 {
				put(t, w, refA, "hush")
				one("delete", func() error { _, err := w.Delete(ctx, call, refA); return err })
				one("recover", func() error { _, err := w.Recover(ctx, call, refA); return err })
				one("destroy", func() error { return w.Destroy(ctx, call, refA) })
			}
		})
	}
}

// TestARepeatOfAnUnknownPurge: it succeeds once, also where several clients
// send it at once.
func TestARepeatOfAnUnknownPurge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for range 50 {
		put(t, w, refA, "hush")
		remove(t, w, refA)
		w.a.After = func(_ context.Context, m string) error {
			if m == "Purge" {
				return secret.Errorf(secret.Unknown, "")
			}
			return nil
		}
		wantKind(t, w.Purge(t.Context(), call, refA), secret.Unknown)
		w.a.After = nil
		if n := racers(t, "purge", func() error { return w.Purge(t.Context(), call, refA) }); n != 1 {
			t.Fatalf("%d repeats are told that they did it", n)
		}
	}
}

// TestRoomIsMadeAlone: while a write makes room for itself, no other call of this gateway
// takes the name, and so none has a deletion of its own purged by it.
func TestRoomIsMadeAlone(t *testing.T) {
	t.Parallel()
	w, c := timed(t, nil)
	put(t, w, refA, "hush")
	remove(t, w, refA)
	c.advance(week)
	hasty := call
	hasty.Timeout = 50 * time.Millisecond
	looked := false
	w.a.After = func(_ context.Context, method string) error {
		if method != "DescribeTrash" || looked {
			return nil
		}
		looked = true
		_, err := w.Put(t.Context(), hasty, refA, draft("hush2"))
		wantKind(t, err, secret.Trashed)
		return nil
	}
	if made, err := w.Put(t.Context(), call, refA, draft("hush3")); err != nil || made.Newest().Ordinal != 1 || !looked {
		t.Errorf("%v, looked %v", err, looked)
	}
}
