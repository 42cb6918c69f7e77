package audit

import (
	"errors"
	"os"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

const (
	// lease is how long a writer keeps the lock.
	lease = 100 * time.Millisecond
	// turn is for how long it then leaves it to others, where no turnstile does that.
	turn = 500 * time.Microsecond
	// lockTimeout is how long a call waits for the lock where Options do not say. After
	// one call has waited in vain, those that follow do not wait until the lock is free.
	lockTimeout = 2 * time.Second
	// lockSteps is in how many steps that time is counted. A process that the
	// system stops for a while, or does not let run, has spent one of them: what
	// it waited for was itself.
	lockSteps = 20
	// patient is for how many of them a call waits behind who stands at a turnstile
	// and does not move, as a command that was stopped from its keyboard.
	patient = lockSteps / 2
)

// Bytes of the file, where none has content, that are locked each by itself. The lock
// of the file has a turnstile: who wants the lock stands there alone until he has it,
// so who gave it back cannot be quicker than him. Commands have one more among
// themselves, in front of the other: of all commands one stands before the lock, so
// that a gateway waits for one lease of a command and no second one.
const (
	commandTurnstile int64 = 1<<62 + iota
	turnstile              // beside the other: one look sees both
	foremost               // of the command that stands before the lock, or has it
)

// errLocked: somebody who is no gateway, for those give it back at once.
var errLocked = errors.New("another program keeps the audit file locked")

// fileLock is the lock of one open file. One goroutine at a time may call it.
type fileLock struct {
	file    *os.File
	wait    time.Duration
	command bool
	queue   bool // the next take goes through the turnstile
	bare    bool // there is no turnstile
	waiter  *lockWaiter
	late    bool
}

// take locks the file, or fails with errLocked after a while.
func (l *fileLock) take() error {
	err := l.takeInTime()
	if err == nil {
		l.late, l.queue = false, l.command
	}
	return err
}

func (l *fileLock) takeInTime() error {
	if l.waiter.ended() {
		l.waiter = nil
	}
	if l.waiter == nil {
		if err := l.try(); !errors.Is(err, osfile.ErrHeld) {
			return err
		}
		l.waiter = newLockWaiter()
		go l.waiter.wait(*l)
	}
	steps, step, patience := lockSteps, l.wait/lockSteps, patient
	if l.late || l.waiter.overtaken {
		patience = 0
	}
	if l.late {
		steps, step = 1, time.Millisecond
	}
	clock := time.NewTicker(step)
	defer clock.Stop()
	for i := range steps {
		if i >= patience && l.waiter.overtake(l.file) {
			return nil
		}
		select {
		case err := <-l.waiter.got:
			l.waiter = nil
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

// try takes the lock if nobody has it, and nobody stands before it.
func (l *fileLock) try() error {
	if l.queue && !l.bare {
		err := l.pass(osfile.TryLockByte, osfile.TryLock)
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		l.bare = true
	}
	return osfile.TryLock(l.file)
}

// pass takes the lock through the turnstiles.
func (l *fileLock) pass(takeByte func(*os.File, int64) error, take func(*os.File) error) error {
	if l.bare {
		return take(l.file)
	}
	if !l.command {
		return l.through(turnstile, takeByte, take)
	}
	first := func(f *os.File) error { return takeByte(f, foremost) }
	if err := l.through(commandTurnstile, takeByte, first); err != nil {
		return err
	}
	err := l.through(turnstile, takeByte, take)
	if err != nil {
		_ = osfile.UnlockByte(l.file, foremost) // closing the file does it, too
	}
	return err
}

// through takes what is behind a turnstile, as the only one who stands there.
func (l *fileLock) through(at int64, takeByte func(*os.File, int64) error, take func(*os.File) error) error {
	if err := takeByte(l.file, at); err != nil {
		return err
	}
	return errors.Join(take(l.file), osfile.UnlockByte(l.file, at))
}

// awaited reports whether somebody stands at a turnstile, or may.
func (l *fileLock) awaited() bool {
	if l.bare {
		return true
	}
	held, err := osfile.BytesHeld(l.file, commandTurnstile, turnstile-commandTurnstile+1)
	return held || err != nil
}

// open reports whether nothing keeps this process from having the lock again before
// who waits for it: there is no turnstile, or it went past one.
func (l *fileLock) open() bool { return l.bare || l.waiter != nil && l.waiter.overtaken }

func (l *fileLock) release() error {
	err := osfile.Unlock(l.file)
	if l.command && !l.bare {
		_ = osfile.UnlockByte(l.file, foremost)
	}
	return err
}
