package osfile

import (
	"errors"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/windows"
)

// Replaces says whether a name may be given to another file while the one that has
// it is open.
const Replaces = false

// Flags of os.OpenFile that Windows does not have. A link needs a right there to
// be made, and a pipe is no file.
const (
	NoFollow = 0
	NoWait   = 0
)

// OpenFolder opens a folder.
func OpenFolder(path string) (*os.File, error) { return os.Open(path) }

// TryLock locks the open file until Unlock or until it is closed. It waits for
// nobody: ErrHeld.
func TryLock(f *os.File) error {
	return lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY)
}

// TryShare is TryLock that leaves others the same.
func TryShare(f *os.File) error { return lock(f, windows.LOCKFILE_FAIL_IMMEDIATELY) }

// Lock is TryLock that waits, without an end.
func Lock(f *os.File) error { return lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK) }

// Unlock gives the lock back.
func Unlock(f *os.File) error {
	return windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, lockedByte())
}

// lockedByte is where no file has content, as Windows keeps others from what is
// locked. It is where bbolt locks, too.
func lockedByte() *windows.Overlapped {
	return &windows.Overlapped{Offset: math.MaxUint32, OffsetHigh: math.MaxUint32}
}

func lock(f *os.File, how uint32) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, lockedByte())
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrHeld
	}
	return err
}

// Sync has a file on stable storage. NTFS has a journal for the names in a folder,
// and no call.
func Sync(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.IsDir() {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0) // who only reads syncs nothing
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Rename is os.Rename.
func Rename(from, to string) error { return os.Rename(from, to) }

// Links is how many names the file has; nobody asks for more than whether it has one.
func Links(fs.FileInfo) uint64 { return 1 }

// Owner is the user and the group of a file; not ok: the system has no such.
func Owner(fs.FileInfo) (uid, gid int, ok bool) { return 0, 0, false }

// Room is how many bytes the disk of the folder has for this process.
func Room(dir string) (int64, error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(path, &free, nil, nil); err != nil {
		return 0, err
	}
	return int64(min(free, math.MaxInt64)), nil
}
