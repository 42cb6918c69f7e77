package osfile

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// TryLockByte locks one byte of a file that is open for writing, whether the file has
// so many or not, until UnlockByte or until it is closed. It has nothing to do with
// TryLock. It waits for nobody: ErrHeld. errors.ErrUnsupported: there are no such locks.
func TryLockByte(f *os.File, at int64) error { return lockByte(f, unix.F_OFD_SETLK, unix.F_WRLCK, at) }

// LockByte is TryLockByte that waits, without an end.
func LockByte(f *os.File, at int64) error { return lockByte(f, unix.F_OFD_SETLKW, unix.F_WRLCK, at) }

// UnlockByte gives the byte back.
func UnlockByte(f *os.File, at int64) error { return lockByte(f, unix.F_OFD_SETLK, unix.F_UNLCK, at) }

// BytesHeld reports whether somebody else has locked one of so many bytes.
func BytesHeld(f *os.File, at, many int64) (bool, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart, Start: at, Len: many}
	err := fcntl(f, unix.F_OFD_GETLK, &l)
	return l.Type != unix.F_UNLCK, err
}

func lockByte(f *os.File, how int, kind int16, at int64) error {
	return fcntl(f, how, &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: at, Len: 1})
}

func fcntl(f *os.File, how int, l *unix.Flock_t) error {
	for {
		err := unix.FcntlFlock(f.Fd(), how, l)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
			return ErrHeld
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOLCK), errors.Is(err, unix.EOPNOTSUPP):
			return errors.Join(errors.ErrUnsupported, err)
		}
		return err
	}
}
