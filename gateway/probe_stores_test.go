package gateway_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestProbeStores: a store is unknown until its product answers, is asked often
// while it is down and seldom while it is up and idle, and not at all while it
// serves.
func TestProbeStores(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		var down atomic.Bool
		var asked atomic.Int64
		answer := make(chan struct{})
		w.a.Before = func(ctx context.Context, method string) error {
			if method == "Check" {
				asked.Add(1)
				<-answer
			}
			if down.Load() {
				return secret.Errorf(secret.Unavailable, "no route to host")
			}
			return nil
		}
		var said bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go gateway.ProbeStores(ctx, func() *gateway.Service { return w.Service }, slog.New(slog.NewTextHandler(&said, nil)))
		state := func(want string, asks int64) {
			t.Helper()
			synctest.Wait()
			if h := w.Health()[0]; h.State != want || h.Since.IsZero() != (want == gateway.StoreUnknown) || (h.Reason != "") != (want == gateway.StoreDown) {
				t.Errorf("%+v, want %s", h, want)
			}
			if got := asked.Swap(0); got != asks {
				t.Errorf("asked %d times, want %d", got, asks)
			}
		}
		after := func(d time.Duration) { <-time.After(d) }
		state(gateway.StoreUnknown, 1)
		after(20 * time.Second)
		state(gateway.StoreUnknown, 0) // one question at a time
		close(answer)
		state(gateway.StoreUp, 0)
		after(61 * time.Second)
		state(gateway.StoreUp, 1) // nobody called it for a minute
		for range 12 {
			after(10 * time.Second)
			put(t, w, refA, "hush")
		}
		state(gateway.StoreUp, 0)
		down.Store(true)
		after(70 * time.Second)
		state(gateway.StoreDown, 1)
		after(30 * time.Second)
		state(gateway.StoreDown, 3)
		down.Store(false)
		after(10 * time.Second)
		state(gateway.StoreUp, 1)
		stop()
		synctest.Wait()
		if s := said.String(); strings.Count(s, "\n") != 2 || !strings.Contains(s, "cannot be used") || !strings.Contains(s, "can be used again") {
			t.Errorf("the log has %s", s)
		}
	})
}
