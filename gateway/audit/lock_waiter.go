package audit

import (
	"errors"
	"os"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// offered is how long a lock that came too late waits for a taker.
const offered = 50 * time.Millisecond

var errOvertaken = errors.New("the lock was taken without the turnstile")

// lockWaiter waits in the kernel's queues: those waits have no end of their own. The
// kernel takes a process that dies out of them, and whatever it had.
type lockWaiter struct {
	got  chan error
	done chan struct{}

	mu        sync.Mutex
	passed    bool // it is through all turnstiles
	overtaken bool // written by who calls the fileLock
}

func newLockWaiter() *lockWaiter {
	return &lockWaiter{got: make(chan error), done: make(chan struct{})}
}

// ended reports whether it waits no longer, and has nothing.
func (w *lockWaiter) ended() bool {
	if w == nil {
		return false
	}
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// wait hands the lock over, or gives it back.
func (w *lockWaiter) wait(l fileLock) {
	defer close(w.done)
	err := l.pass(osfile.LockByte, func(f *os.File) error {
		w.mu.Lock()
		w.passed = !w.overtaken
		passed := w.passed
		w.mu.Unlock()
		if !passed {
			return errOvertaken
		}
		return osfile.Lock(f)
	})
	if errors.Is(err, errOvertaken) {
		return
	}
	timer := time.NewTimer(offered)
	defer timer.Stop()
	select {
	case w.got <- err:
	case <-timer.C:
		if err == nil {
			_ = l.release() // closing the file does it, too
		}
	}
}

// overtake takes the lock, if it is free, past whoever stands at a turnstile before
// the waiter and does not move.
func (w *lockWaiter) overtake(file *os.File) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.passed || osfile.TryLock(file) != nil {
		return false
	}
	w.overtaken = true
	return true
}
