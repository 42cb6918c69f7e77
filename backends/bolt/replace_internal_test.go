package bolt

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/secret"
)

// TestReplacedKeepsItsOwner: whoever could open a file can open the one that
// takes its place.
func TestReplacedKeepsItsOwner(t *testing.T) {
	t.Parallel()
	for what, replace := range map[string]func(path string) error{
		"compact": func(path string) error { _, _, err := Compact(t.Context(), path, plainKeys{}); return err },
		"rekey":   func(path string) error { _, _, err := Rekey(t.Context(), path, plainKeys{}); return err },
		"restore": func(path string) error {
			r := &Restore{From: smallFile(t), MadeAs: "s", Keys: plainKeys{}, Replace: true, Now: time.Now()}
			_, err := r.Into(t.Context(), path)
			return err
		},
	} {
		path := smallFile(t)
		if err := os.Chmod(path, 0o640); err != nil {
			t.Fatal(err)
		}
		want := os.Getuid()
		if want == 0 && os.Chown(path, 12345, 12346) == nil {
			want = 12345
		}
		if err := replace(path); err != nil {
			t.Fatal(what, err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if have, ok := info.Sys().(*syscall.Stat_t); !ok || int(have.Uid) != want || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: it belongs to %d, of mode %o", what, have.Uid, info.Mode().Perm())
		}
	}
}

// TestRekeyUnknownBucket: a bucket of a later release would be lost. The file
// stays as it is.
func TestRekeyUnknownBucket(t *testing.T) {
	t.Parallel()
	path := smallFile(t)
	s := storeAt(t, path)
	err := s.db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("later")); return err })
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = Rekey(t.Context(), path, plainKeys{})
	if secret.KindOf(err) != secret.Unsupported || !strings.Contains(secret.DetailOf(err), `a bucket "later"`) {
		t.Errorf("Rekey: %v", err)
	}
	after, err := os.ReadFile(path)
	entries, _ := os.ReadDir(filepath.Dir(path))
	if err != nil || !bytes.Equal(before, after) || len(entries) != 1 {
		t.Error("the file has changed, or something is left beside it")
	}
}

// A name may lead elsewhere once a file is made: nothing but that file is given away.
func TestSameOwnerOfTheFileAlone(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("root alone can give a file away")
	}
	dir := t.TempDir()
	store, other := filepath.Join(dir, "store.db"), filepath.Join(dir, "shadow")
	for _, path := range []string{store, other} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Chown(store, 1234, 2345), os.Chmod(store, 0o640)); err != nil {
		t.Fatal(err)
	}
	work, err := workFile(store)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(work.Name(), work.Name()+".moved"), os.Symlink(other, work.Name()), sameOwner(work, store), work.Close()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]uint32{other: 0, work.Name() + ".moved": 1234} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if have, ok := info.Sys().(*syscall.Stat_t); !ok || have.Uid != want || (info.Mode().Perm() == 0o640) != (want != 0) {
			t.Errorf("%s is of %d, mode %04o", path, have.Uid, info.Mode().Perm())
		}
	}
	if db, err := openDB(work.Name(), options{wait: lockWait, noLink: true}); err == nil {
		t.Error("a link was taken for the work file", db.Close())
	}
}
