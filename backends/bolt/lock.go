package bolt

import (
	"errors"
	"os"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// ErrHeld is the cause where another process has the file open.
var ErrHeld = errors.New("the file is locked")

// lockWait leaves the rest of two seconds to whoever reports the failure.
const lockWait = 1500 * time.Millisecond

// lockPoll is how often a lock is tried: the system cannot wait for one with an
// end.
const lockPoll = 50 * time.Millisecond

// lockFile opens a file with a lock of its own, on bbolt's terms, whatever the
// file holds. With exclusive nobody else has it open as a store.
func lockFile(path string, exclusive bool, wait time.Duration) (*os.File, error) {
	lock := osfile.TryShare
	if exclusive {
		lock = osfile.TryLock
	}
	for deadline := time.Now().Add(wait); ; {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		err = lock(f)
		same := false
		if err == nil {
			same, err = standsAt(path, f)
		}
		if same {
			return f, nil
		}
		if err := errors.Join(err, f.Close()); err != nil && !errors.Is(err, osfile.ErrHeld) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, ErrHeld
		}
		<-time.After(lockPoll)
	}
}
