//go:build unix

package backup

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// An edit by root leaves the file to the user that the gateway runs as.
func TestEditKeepsOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("root alone can give a file away")
	}
	path := filepath.Join(t.TempDir(), "keyring.json")
	if err := NewKeyring().Create(path); err != nil {
		t.Fatal(err)
	}
	const user, group = 1234, 2345
	if err := os.Chown(path, user, group); err != nil {
		t.Fatal(err)
	}
	err := EditFile(path, func(k *Keyring) (*Keyring, error) {
		k, _, err := k.Add(AlgA256KW)
		return k, err
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	have, ok := info.Sys().(*syscall.Stat_t)
	if !ok || have.Uid != user || have.Gid != group || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is now of %d:%d, mode %04o", have.Uid, have.Gid, info.Mode().Perm())
	}
}
