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

// Whoever may write the folder puts a link in the place of the work file: what it
// leads to stays with its owner.
func TestEditGivesNothingElseAway(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("root alone can give a file away")
	}
	path := filepath.Join(t.TempDir(), "keyring.json")
	other := filepath.Join(t.TempDir(), "shadow")
	if err := NewKeyring().Create(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 1234, 2345); err != nil {
		t.Fatal(err)
	}
	_ = EditFile(path, func(k *Keyring) (*Keyring, error) { // whether it ends well is the intruder's affair
		if err := os.Remove(path + ".new"); err != nil {
			t.Error(err)
		}
		return k, os.Symlink(other, path+".new")
	})
	info, err := os.Stat(other)
	if err != nil {
		t.Fatal(err)
	}
	if have, ok := info.Sys().(*syscall.Stat_t); !ok || have.Uid != 0 || have.Gid != 0 || info.Size() != 0 {
		t.Errorf("the other file is now of %d:%d, %d bytes", have.Uid, have.Gid, info.Size())
	}
}
