package gateway_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// Backups that wait for each other must not take the store from readers.
func TestWaitingBackupsLeaveTheStoreFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *gateway.Options) {
			o.MaxBlobs, o.Stores[0].Concurrency = 1, 2
			o.Stores[0].Timeout = 10 * time.Second
		})
		put(t, w, refA, "hush")
		inside, free := make(chan struct{}), make(chan struct{})
		w.a.Before = func(_ context.Context, m string) error {
			if m == "Export" {
				inside <- struct{}{}
				<-free
			}
			return nil
		}
		const n = 4
		done := make(chan error, n)
		for range n {
			go func() {
				_, err := w.Backup(context.Background(), call, refA)
				done <- err
			}()
		}
		<-inside
		if running, limit := w.Blobs(); running != 1 || limit != 1 {
			t.Errorf("%d of %d slots are taken", running, limit)
		}
		synctest.Wait() // the other three queue up
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		for range 20 {
			if _, err := w.Get(ctx, call, refA, secret.Current); err != nil {
				t.Fatalf("a read behind waiting backups: %v", err)
			}
		}
		close(free)
		for range n - 1 {
			<-inside
		}
		for range n {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if running, _ := w.Blobs(); running != 0 {
			t.Errorf("%d slots are still taken", running)
		}
	})
}

// What never reached the product says nothing about it.
func TestOnlyTheProductDecidesWhetherAStoreIsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *gateway.Options) {
			o.MaxBlobs, o.Stores[0].Timeout = 1, 300*time.Millisecond
		})
		put(t, w, refA, "hush")
		put(t, w, refB, "hush")

		gone, leave := context.WithCancel(t.Context())
		leave()
		_, err := w.Get(gone, call, refA, secret.Current)
		wantKind(t, err, secret.Unavailable)
		if w.Health()[0].State != gateway.StoreUp {
			t.Error("a client that left takes the store down")
		}
		midway, leave := context.WithCancel(t.Context())
		w.a.Before = func(ctx context.Context, _ string) error { leave(); return ctx.Err() }
		_, err = w.Get(midway, call, refA, secret.Current)
		wantKind(t, err, secret.Unavailable)
		w.a.Before = nil
		if w.Health()[0].State != gateway.StoreUp {
			t.Error("a client that left midway takes the store down")
		}

		inside, free := make(chan struct{}), make(chan struct{})
		w.b.Before = func(context.Context, string) error { close(inside); <-free; return nil }
		held := make(chan error)
		go func() {
			_, err := w.Backup(context.Background(), call, refB)
			held <- err
		}()
		<-inside
		_, err = w.Backup(t.Context(), call, refA)
		wantKind(t, err, secret.Unavailable)
		if w.Health()[0].State != gateway.StoreUp {
			t.Error("a gateway that is busy takes the store down")
		}
		close(free)
		if err := <-held; err != nil {
			t.Error(err)
		}
	})
}

func TestAnUnknownOutcomeStaysUnknownWithoutItsLine(t *testing.T) {
	t.Parallel()
	for _, kind := range []secret.Kind{secret.Unknown, secret.Partial} {
		w := newWorld(t, nil)
		w.a.After = func(context.Context, string) error {
			w.disk.full.Store(true)
			return &secret.Error{Kind: kind}
		}
		_, err := w.Put(t.Context(), call, refA, draft("hush"))
		wantKind(t, err, secret.Unknown)
	}
	w := newWorld(t, nil)
	w.a.Before = func(context.Context, string) error {
		w.disk.full.Store(true)
		return &secret.Error{Kind: secret.AlreadyExists}
	}
	if _, err := w.Put(t.Context(), call, refA, draft("hush")); err == nil || errors.Is(err, secret.Unknown) {
		t.Errorf("what was surely not written: %v", err)
	}
}
