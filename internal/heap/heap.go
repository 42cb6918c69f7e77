// Package heap keeps the memory of a server small while nobody asks, and its
// collector calm while many do.
package heap

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// ballast is never touched, so it takes no memory of the machine. But the
	// collector counts it, and runs when the heap has doubled: without it that
	// of a small gateway has after a few hundred requests.
	ballast = 16 << 20

	// A look takes place every so often. Less than quiet since the last one is
	// nobody asking; less than busy since memory was given back is not worth it.
	every = 15 * time.Second
	quiet = 1 << 20
	busy  = 16 << 20
)

// Keep does so until ctx ends.
func Keep(ctx context.Context) {
	held := make([]byte, size())
	defer runtime.KeepAlive(held)
	look := time.NewTicker(every)
	defer look.Stop()
	keep(ctx, look.C, allocated, func() {
		debug.FreeOSMemory()
		_ = forgetProgram("/proc/self/smaps") // a system that does not say keeps it
	})
}

// size is not a constant to the compiler, so that the ballast is on the heap.
//
//go:noinline
func size() int { return ballast }

// keep gives memory back once a time of work is over, of which the start is the first.
func keep(ctx context.Context, look <-chan time.Time, allocated func() uint64, giveBack func()) {
	last, given, start := allocated(), uint64(0), true
	for {
		select {
		case <-ctx.Done():
			return
		case <-look:
		}
		now := allocated()
		if now-last < quiet && (start || now-given > busy) {
			giveBack()
			given, start = now, false
		}
		last = now
	}
}

// allocated is all that ever was, in bytes.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
