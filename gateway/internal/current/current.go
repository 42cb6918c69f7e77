// Package current holds what is replaced while others use it, and tells when
// the last of them is done.
package current

import "sync/atomic"

// Value holds a T. The zero Value holds none: Replace comes first. It is safe for
// concurrent use.
type Value[T any] struct{ now atomic.Pointer[Held[T]] }

// Held is a T in use.
type Held[T any] struct {
	V     T
	users atomic.Int64  // and one while it is the current one
	idle  chan struct{} // closed when the last user is done
}

// Replace puts v in the place of what there was. The channel is closed when
// nobody uses that any more.
func (c *Value[T]) Replace(v T) (idle <-chan struct{}) {
	next := &Held[T]{V: v, idle: make(chan struct{})}
	next.users.Store(1)
	before := c.now.Swap(next)
	if before == nil {
		none := make(chan struct{})
		close(none)
		return none
	}
	before.Done()
	return before.idle
}

// Use returns what is there now. The caller must call Done once.
func (c *Value[T]) Use() *Held[T] {
	for {
		h := c.now.Load()
		for n := h.users.Load(); n > 0; n = h.users.Load() { // 0: it has been replaced, and is over
			if h.users.CompareAndSwap(n, n+1) {
				return h
			}
		}
	}
}

// Look returns what is there now, which may be over at once.
func (c *Value[T]) Look() T { return c.now.Load().V }

// Done ends a use.
func (h *Held[T]) Done() {
	if h.users.Add(-1) == 0 {
		close(h.idle)
	}
}
