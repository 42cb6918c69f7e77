package migrate_test

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
)

// TestJournalOfAChild: a journal that was closed is free, though a process that is being
// started has a copy of its descriptor until it is another program.
func TestJournalOfAChild(t *testing.T) {
	t.Parallel()
	path, k := filepath.Join(t.TempDir(), "j"), inventory.NewKey()
	j, err := migrate.OpenJournal(path, k, digest, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer copied(t, path)()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := migrate.OpenJournal(path, k, digest, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// copied copies this process's descriptor of the file, as a fork does.
func copied(t *testing.T, path string) (done func()) {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all {
		if at, err := os.Readlink(filepath.Join("/proc/self/fd", d.Name())); err != nil || at != path {
			continue
		}
		fd, err := strconv.Atoi(d.Name())
		if err != nil {
			t.Fatal(err)
		}
		other, err := syscall.Dup(fd)
		if err != nil {
			t.Fatal(err)
		}
		return func() { _ = syscall.Close(other) }
	}
	t.Fatalf("%s is not open", path)
	return nil
}
