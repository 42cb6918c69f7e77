package gateway

import (
	"context"
	"sync"
	"time"
)

// deadline is what context.WithTimeout returns, but that it has no timer until
// somebody waits for it: a store in memory only asks whether the time is over,
// and a timer would cost more than its whole answer.
type deadline struct {
	context.Context // of the caller
	at              time.Time

	mu     sync.Mutex
	waited context.Context // with a timer; nil: nobody has waited
	stop   context.CancelFunc
	over   bool
}

// withTimeout returns a context that ends after d, or when its end is called,
// which must be.
func withTimeout(ctx context.Context, d time.Duration) *deadline {
	at := time.Now().Add(d)
	if sooner, ok := ctx.Deadline(); ok && sooner.Before(at) {
		at = sooner
	}
	return &deadline{Context: ctx, at: at}
}

func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	if d.stop != nil {
		d.stop()
	}
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

// Done implements context.Context. It sets the timer.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waited == nil {
		d.waited, d.stop = context.WithDeadline(d.Context, d.at)
		if d.over {
			d.stop()
		}
	}
	return d.waited.Done()
}

// Err implements context.Context.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch err := d.Context.Err(); {
	case d.waited != nil:
		return d.waited.Err()
	case d.over:
		return context.Canceled
	case err == nil && !time.Now().Before(d.at):
		return context.DeadlineExceeded
	default:
		return err
	}
}

// Value implements context.Context. Package context finds by it what has the
// timer, and so needs no goroutine for the contexts below.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	waited := d.waited
	d.mu.Unlock()
	if waited != nil {
		return waited.Value(key)
	}
	return d.Context.Value(key)
}
