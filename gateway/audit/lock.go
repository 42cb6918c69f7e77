package audit

import (
	"errors"
	"os"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

const (
	// lease is how long a writer keeps the lock; turn, for how long it then
	// leaves it to others.
	lease = 100 * time.Millisecond
	turn  = 500 * time.Microsecond
	// lockTimeout is how long a call waits for the lock where Options do not say. After
	// one call has waited in vain, those that follow do not wait until the lock is free.
	lockTimeout = 2 * time.Second
	// lockSteps is in how many steps that time is counted. A process that the
	// system stops for a while, or does not let run, has spent one of them: what
	// it waited for was itself.
	lockSteps = 20
	// offered is how long a lock that came too late waits for a taker.
	offered = 50 * time.Millisecond
)

// errLocked: somebody who is no gateway, for those give it back at once.
var errLocked = errors.New("another program keeps the audit file locked")

// fileLock is the lock of one open file. One goroutine at a time may call it.
type fileLock struct {
	file   *os.File
	wait   time.Duration
	waiter *lockWaiter
	late   bool
}

// lockWaiter waits in the kernel's queue: that wait has no end of its own.
type lockWaiter struct {
	got  chan error
	done chan struct{}
}

// take locks the file, or fails with errLocked after a while.
func (l *fileLock) take() error {
	if l.waiter != nil {
		select {
		case <-l.waiter.done:
			l.waiter = nil
		default:
		}
	}
	if l.waiter == nil {
		err := osfile.TryLock(l.file)
		if !errors.Is(err, osfile.ErrHeld) {
			l.late = false
			return err
		}
		l.waiter = &lockWaiter{got: make(chan error), done: make(chan struct{})}
		go l.waiter.wait(l.file)
	}
	steps, step := lockSteps, l.wait/lockSteps
	if l.late {
		steps, step = 1, time.Millisecond
	}
	clock := time.NewTicker(step)
	defer clock.Stop()
	for range steps {
		select {
		case err := <-l.waiter.got:
			l.waiter, l.late = nil, false
			return err
		case <-l.waiter.done: // nobody was there to take it: the next call will be
			l.waiter, l.late = nil, true
			return errLocked
		case <-clock.C:
		}
	}
	l.late = true
	return errLocked
}

// wait hands the lock over, or gives it back.
func (w *lockWaiter) wait(file *os.File) {
	err := osfile.Lock(file)
	timer := time.NewTimer(offered)
	defer timer.Stop()
	select {
	case w.got <- err:
	case <-timer.C:
		if err == nil {
			_ = osfile.Unlock(file) // closing the file does it, too
		}
	}
	close(w.done)
}

func (l *fileLock) release() error { return osfile.Unlock(l.file) }
