package access

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestPace: beyond a burst a network's refusals come one after the other, and
// nobody else's wait.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(time.Now)
		began := time.Now()
		for range paceBurst {
			p.Unproved(t.Context(), "192.0.2.1")
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the first ones wait %v", took)
		}
		for range 100 {
			p.Unproved(t.Context(), "192.0.2.1")
		}
		if took := time.Since(began); took != 100*paceEvery {
			t.Errorf("a hundred more take %v, want %v", took, 100*paceEvery)
		}
		now := time.Now()
		p.Unproved(t.Context(), "192.0.2.2")
		p.Unproved(t.Context(), "2001:db8::1")
		if took := time.Since(now); took != 0 {
			t.Errorf("others wait %v", took)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		p.Unproved(ctx, "192.0.2.1")
		if took := time.Since(now); took != 0 {
			t.Errorf("a client that has gone is waited for: %v", took)
		}
	})
}

// TestPaceOfTheHonest: proofs pay for connections, so that clients which open
// one for each request never wait.
func TestPaceOfTheHonest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(time.Now)
		began := time.Now()
		for range 10 * paceBurst {
			p.Connected(t.Context(), "2001:db8::1")
			p.Proved("2001:db8::2") // of the same /64
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("they wait %v", took)
		}
		for range paceBurst {
			p.Proved("2001:db8::1") // pays for nothing to come
		}
		for range paceBurst + 1 {
			p.Unproved(t.Context(), "2001:db8::1")
		}
		if took := time.Since(began); took == 0 {
			t.Error("proofs are saved up")
		}
	})
}

// TestPaceIsBounded: nothing waits for long, not many wait, and not many
// networks are remembered.
func TestPaceIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(time.Now)
		began := time.Now()
		ended := 0
		for range 3 * paceWaiting {
			go func() {
				if !p.Unproved(t.Context(), "192.0.2.1") {
					ended++
				}
			}()
			synctest.Wait()
		}
		if want := 2*paceWaiting - paceBurst; ended != want {
			t.Errorf("%d were not to wait, want %d", ended, want)
		}
		p.mu.Lock()
		if n := p.networks["192.0.2.1"].waiting; n != paceWaiting {
			t.Errorf("%d wait", n)
		}
		p.mu.Unlock()
		<-time.After(paceLongest) // of the bubble
		synctest.Wait()
		if n := p.networks["192.0.2.1"].waiting; n != 0 {
			t.Errorf("%d wait for longer than %v, since %v", n, paceLongest, began)
		}
		for i := range 3 * paceSize {
			p.Unproved(t.Context(), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		}
		if n := len(p.networks); n > paceSize {
			t.Errorf("%d networks are remembered", n)
		}
	})
}
