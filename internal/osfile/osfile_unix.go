//go:build unix

package osfile

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Replaces says whether a name may be given to another file while the one that has
// it is open.
const Replaces = true

// NoFollow is a flag of os.OpenFile: a link is not followed.
const NoFollow = syscall.O_NOFOLLOW

// NoWait is a flag of os.OpenFile: nobody waits for who is at a pipe's other end.
const NoWait = syscall.O_NONBLOCK

// OpenFolder opens a folder, and no link to one.
func OpenFolder(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
}

// TryLock locks the open file, or folder, until Unlock or until it is closed. It
// waits for nobody: ErrHeld. errors.ErrUnsupported: the file system has no locks.
func TryLock(f *os.File) error { return flock(f, syscall.LOCK_EX|syscall.LOCK_NB) }

// TryShare is TryLock that leaves others the same.
func TryShare(f *os.File) error { return flock(f, syscall.LOCK_SH|syscall.LOCK_NB) }

// Lock is TryLock that waits, without an end.
func Lock(f *os.File) error { return flock(f, syscall.LOCK_EX) }

// Unlock gives the lock back.
func Unlock(f *os.File) error { return flock(f, syscall.LOCK_UN) }

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EWOULDBLOCK):
			return ErrHeld
		case errors.Is(err, syscall.ENOTSUP), errors.Is(err, syscall.ENOLCK):
			return errors.Join(errors.ErrUnsupported, err)
		}
		return err
	}
}

// Sync has a file, or the names in a folder, on stable storage.
func Sync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Rename is os.Rename of a file, without its look at what stands there.
func Rename(from, to string) error { return syscall.Rename(from, to) }

// Links is how many names the file has.
func Links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink) //nolint:unconvert // it is of another type on other systems
	}
	return 1
}

// Owner is the user and the group of a file; not ok: the system has no such.
func Owner(info fs.FileInfo) (uid, gid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(st.Uid), int(st.Gid), true
}

// Room is how many bytes the file system of the folder has for this process.
func Room(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil //nolint:unconvert // the types differ between systems
}
