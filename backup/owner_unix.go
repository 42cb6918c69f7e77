//go:build unix

package backup

import (
	"os"
	"syscall"
)

// sameOwner gives temp the owner and group of path: who could read the keyring
// before an edit, such as a gateway that runs as its own user, still can.
func sameOwner(temp, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	have, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	if err := os.Chown(temp, int(have.Uid), -1); err != nil {
		return keyringError("%s belongs to another user, who alone can change it", path)
	}
	_ = os.Chown(temp, -1, int(have.Gid)) // mode 0600 lets no group in
	return nil
}
