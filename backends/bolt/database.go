package bolt

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// database is an open file with bbolt's lock on it.
type database struct {
	*bbolt.DB
	file *os.File
}

type options struct {
	wait     time.Duration // for the lock
	readOnly bool          // shares the lock with other readers
	noSync   bool          // for a file that nobody knows yet: its maker calls Sync
	noLink   bool          // refuses a link in its place, for the same
}

// growth is what the file gains at a time.
const growth = 1 << 20

// openDB opens the file that stands at path once the lock is there: a file that
// was replaced meanwhile is not the store any more, and what is written to it
// would be lost.
func openDB(path string, o options) (*database, error) {
	for deadline := time.Now().Add(o.wait); ; {
		db, err := openOnce(path, o)
		if err != nil {
			return nil, err
		}
		same, err := standsAt(path, db.file)
		if same {
			return db, nil
		}
		if err := errors.Join(err, db.Close()); err != nil {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%w: it is being replaced", ErrHeld)
		}
	}
}

func standsAt(path string, f *os.File) (bool, error) {
	have, err := f.Stat()
	if err != nil {
		return false, err
	}
	want, err := os.Stat(path)
	return err == nil && os.SameFile(have, want), err
}

// openOnce turns the fault that a file cut short raises in its memory map into
// an error.
func openOnce(path string, o options) (db *database, err error) {
	db = &database{}
	err = guarded(func() error {
		db.DB, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout: max(o.wait, 1), FreelistType: bbolt.FreelistMapType, InitialMmapSize: mapSize,
			ReadOnly: o.readOnly, NoSync: o.noSync, NoGrowSync: o.noSync,
			OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
				if o.noLink {
					flag |= osfile.NoFollow
				}
				var err error
				db.file, err = os.OpenFile(path, flag&^os.O_CREATE, mode) // create alone makes files
				return db.file, err
			},
		})
		return err
	})
	if errors.Is(err, berrors.ErrTimeout) {
		err = fmt.Errorf("%w: %w", ErrHeld, err)
	}
	if err != nil {
		if db.file != nil {
			_ = db.file.Close() // bbolt has not, where it panicked
		}
		return nil, err
	}
	db.AllocSize = growth
	return db, nil
}

// guarded makes an error of what bbolt does on a damaged file: it panics, or
// follows a number to where no memory is, which would end the program.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("reading the file: %v", p)
		}
	}()
	return f()
}
