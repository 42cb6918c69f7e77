package audit

import (
	"os"
	"syscall"
)

// sameOwner gives file the owner of old: the gateway that wrote that one must
// be able to write this one, too, if root began it.
func sameOwner(file, old *os.File) error {
	have, err := file.Stat()
	if err != nil {
		return err
	}
	want, err := old.Stat()
	if err != nil {
		return err
	}
	h, ok1 := have.Sys().(*syscall.Stat_t)
	w, ok2 := want.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || h.Uid == w.Uid && h.Gid == w.Gid {
		return nil
	}
	return file.Chown(int(w.Uid), int(w.Gid))
}
