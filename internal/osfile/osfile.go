// Package osfile is what systems do with files in ways of their own: locks, the
// order in which names get to the disk, links, owners.
package osfile

import (
	"errors"
	"os"
)

// ErrHeld is of a lock that another process has.
var ErrHeld = errors.New("the file is locked")

// ErrNotRegular is of a pipe, a device or a folder, where a file is needed that can be
// read more than once.
var ErrNotRegular = errors.New("it is no regular file: name a file, no pipe or device")

// OpenRegular opens a regular file. It waits for nobody, as who opens a pipe does.
// Beside os.O_RDONLY it takes flags of os.OpenFile.
func OpenRegular(path string, flags int, mode os.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flags|NoWait, mode)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
