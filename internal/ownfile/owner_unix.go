//go:build unix

package ownfile

import (
	"os"
	"syscall"
)

// Give gives f the owner and the group that like has: who could read the one
// before it is replaced, such as a gateway that runs as its own user, still can.
// It fails where the owner is another user; where the group is none of ours, it
// stays. It takes the open file: whoever may write the folder can put a link in
// the place of a name, and root would give away what that leads to.
func Give(f *os.File, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	made, err := f.Stat()
	if err != nil {
		return err
	}
	have, ok := info.Sys().(*syscall.Stat_t)
	mine, ok2 := made.Sys().(*syscall.Stat_t)
	if !ok || !ok2 || have.Uid == mine.Uid && have.Gid == mine.Gid {
		return nil // a confined service may not even ask
	}
	if err := f.Chown(int(have.Uid), -1); err != nil {
		return ErrOwner
	}
	_ = f.Chown(-1, int(have.Gid)) // as said
	return nil
}
