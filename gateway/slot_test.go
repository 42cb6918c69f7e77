package gateway_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestWaitingGivesTheSlotBack: while an import waits for its product, others
// use the store, and it goes on when the product lets it. The call's own
// deadline counts before the store's.
func TestWaitingGivesTheSlotBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *gateway.Options) {
		o.Stores[1].Concurrency = 1
		o.Stores[1].Timeout = time.Minute
	})
	put(t, w, refA, "hush")
	put(t, w, gateway.Ref{Store: "b", Name: "other"}, "hush")
	blob := backupOf(t, w, refA)
	refused := make(chan struct{}, 1)
	var free atomic.Bool
	after := 10 * time.Millisecond // it may come again
	w.b.Before = func(ctx context.Context, method string) error {
		if method != "Import" {
			return nil
		}
		if err := kit.Patiently(ctx, true, func() error { return nil }); err != nil { // the first write stands
			return err
		}
		return kit.Patiently(ctx, true, func() error {
			if free.Load() {
				return nil
			}
			select {
			case refused <- struct{}{}:
			default:
			}
			return &secret.Error{Kind: secret.Throttled, RetryAfter: after}
		})
	}
	done := make(chan error, 1)
	go func() {
		_, err := w.Restore(t.Context(), call, "b", blob, gateway.RestoreOptions{})
		done <- err
	}()
	<-refused
	for range 5 {
		if _, err := w.Get(t.Context(), call, gateway.Ref{Store: "b", Name: "other"}, secret.Current); err != nil {
			t.Fatalf("a read beside an import that waits: %v", err)
		}
	}
	free.Store(true)
	if err := <-done; err != nil {
		t.Fatal(err)
	}

	free.Store(false)
	after = 40 * time.Second // which the store's time allows, and the call's does not
	short := call
	short.Timeout = 30 * time.Second
	_, err := w.Restore(t.Context(), short, "b", blob, gateway.RestoreOptions{As: "again"})
	wantKind(t, err, secret.Throttled)

	gone, leave := context.WithCancel(t.Context())
	for len(refused) > 0 { // of the call before
		<-refused
	}
	go func() { <-refused; leave() }()
	if _, err := w.Restore(gone, call, "b", blob, gateway.RestoreOptions{As: "third"}); err == nil {
		t.Error("a caller who left is waited for")
	}
	if _, err := w.Get(t.Context(), call, gateway.Ref{Store: "b", Name: "other"}, secret.Current); err != nil {
		t.Errorf("after calls that were given up: %v", err)
	}
}

// TestReadsThatWait: what reads by many requests is not begun anew when the product
// refuses one of them for now; what reads by one is its client's to ask again. Who
// names his time waits from the start.
func TestReadsThatWait(t *testing.T) {
	t.Parallel()
	const refusals = 5 // more than a call begins anew
	get := func(w *world, c gateway.Call) error {
		_, err := w.Get(t.Context(), c, refA, secret.Current)
		return err
	}
	backup := func(w *world, c gateway.Call) error {
		_, err := w.Backup(t.Context(), c, refA)
		return err
	}
	list := func(w *world, c gateway.Call) error {
		_, err := w.List(t.Context(), c, refA.Store, secret.Query{Limit: 9})
		return err
	}
	for name, c := range map[string]struct {
		do     func(*world, gateway.Call) error
		first  bool // it is the first request that is refused
		timed  bool
		served bool
	}{
		"a backup":                 {backup, false, false, true},
		"a list":                   {list, false, false, true},
		"one secret":               {get, false, false, false},
		"a backup's first":         {backup, true, false, false},
		"a list's first":           {list, true, false, false},
		"a command's list":         {list, true, true, true},
		"a command's backup":       {backup, true, true, true},
		"one secret for a command": {get, true, true, true},
	} {
		w := newWorld(t, func(*gateway.Options) {})
		put(t, w, refA, "hush")
		left := refusals
		w.a.Before = func(ctx context.Context, _ string) error {
			if !c.first {
				if err := kit.Patiently(ctx, false, func() error { return nil }); err != nil {
					return err
				}
			}
			return kit.Patiently(ctx, false, func() error {
				if left--; left >= 0 {
					return &secret.Error{Kind: secret.Throttled, RetryAfter: time.Millisecond}
				}
				return nil
			})
		}
		as := call
		if c.timed {
			as.Timeout = time.Minute
		}
		err := c.do(w, as)
		if c.served && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !c.served {
			wantKind(t, err, secret.Throttled)
		}
	}
}
