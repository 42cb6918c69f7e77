package snapshot

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// syncsAll: one sync is of all files.
const syncsAll = true

// syncAll has everything in the file system of dir on stable storage.
func syncAll(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(d.Fd())), d.Close())
}
