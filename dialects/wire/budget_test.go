package wire

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// holder takes n for a key, and says in the returned channel when it is made
// to let go.
func holder(t *testing.T, b *budget, key string, n int64) (h *hold, ended chan struct{}) {
	t.Helper()
	ended = make(chan struct{})
	h = b.enter(key, func() bool { close(ended); return true })
	if err := h.take(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return h, ended
}

// TestBudgetOfTheSlow: whoever holds room and does nothing with it loses it to
// the next one, of his network or another.
func TestBudgetOfTheSlow(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"a", "b"} {
		synctest.Test(t, func(t *testing.T) {
			b := newBudget(100, 100, 10, time.Minute)
			idle, ended := holder(t, b, "a", 60)
			busy, busyEnded := holder(t, b, "a", 40)
			go func() {
				<-ended
				idle.release()
			}()
			go func() {
				for range 50 {
					<-time.After(time.Second / 10) // of the bubble
					busy.progress(2)
				}
			}()
			if who != "a" { // else it would be a choice of two that have done nothing yet
				<-time.After(2 * minAge) // of the bubble
			}
			next := b.enter(who, nil)
			began := time.Now()
			if err := next.take(t.Context(), 10); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took > 2*minAge {
				t.Errorf("it took %v", took)
			}
			select {
			case <-busyEnded:
				t.Error("the one that makes progress had to go")
			default:
			}
			synctest.Wait()
			<-time.After(time.Minute) // of the bubble
			busy.release()
			next.release()
			if b.used != 0 || len(b.keys) != 0 || len(b.holds) != 0 {
				t.Errorf("%d are still used, by %v", b.used, b.keys)
			}
		})
	}
}

// TestBudgetIsFair: one network's fast holds make room for another's first
// one, and not for more of its own.
func TestBudgetIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100, 80, 0, time.Second)
		b.even = true
		first, ended := holder(t, b, "a", 80)
		if err := b.enter("a", nil).take(t.Context(), 1); !errors.Is(err, errNoRoom) {
			t.Errorf("beyond its share: %v", err)
		}
		other, _ := holder(t, b, "b", 20)
		go func() {
			<-ended
			first.release()
		}()
		third := b.enter("c", nil)
		if err := third.take(t.Context(), 20); err != nil {
			t.Error(err)
		}
		other.release()
		third.release()
		if b.used != 0 {
			t.Errorf("%d are still used", b.used)
		}
	})
}

// TestBudgetWaits: for the room of those who keep pace, and not for ever.
func TestBudgetWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10, 10, 0, 5*time.Second)
		first, _ := holder(t, b, "a", 10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.enter("a", nil).take(ctx, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("whoever has left: %v", err)
		}
		began := time.Now()
		if err := b.enter("a", nil).take(t.Context(), 1); !errors.Is(err, errNoRoom) || time.Since(began) < 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		time.AfterFunc(time.Second, func() { first.settle(4) })
		second := b.enter("a", nil)
		if err := second.take(t.Context(), 6); err != nil {
			t.Error(err)
		}
		elsewhere := newBudget(1, 1, 0, time.Second)
		moved := second.moveTo(elsewhere, "caller") // which is never refused
		if b.used != 4 || elsewhere.used != 6 || elsewhere.keys["caller"] != 6 {
			t.Errorf("moved: %d are left and %d are there", b.used, elsewhere.used)
		}
		moved.release()
		first.release()
	})
}

// TestBudgets: who looks sees what requests hold, until they let go.
func TestBudgets(t *testing.T) {
	t.Parallel()
	l := NewLimits(0, 3)
	used := func() map[string]int64 {
		m := map[string]int64{}
		for _, b := range l.Budgets() {
			if b.Limit < 1 {
				t.Errorf("%s: a limit of %d", b.Name, b.Limit)
			}
			m[b.Name] = b.Used
		}
		return m
	}
	all := map[*budget]string{l.strangers: "stranger_body_bytes", l.large: "large_stranger_body_bytes", l.callers: "caller_body_bytes", l.answers: "large_answers"}
	for b, name := range all {
		h := b.enter("a", nil)
		if err := h.take(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		if got := used(); got[name] != 5 || len(got) != len(all) {
			t.Errorf("%s: %v", name, got)
		}
		h.release()
	}
	for name, n := range used() {
		if n != 0 {
			t.Errorf("%s: %d are still used", name, n)
		}
	}
}
