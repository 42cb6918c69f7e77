package snapshot_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/snapshot"
)

// TestDiskFull: whichever write fails, the command fails, says so, leaves nothing
// unfinished, and what was there is whole.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.run(t, "create", 0, 0, -1)
	must(t, err)
	sizes := map[int]bool{1: true, 50: true} // the lock's
	for name, content := range w.files(t) {
		if strings.HasPrefix(name, "documents/") || strings.HasPrefix(name, "snapshots/") {
			sizes[len(content)-1] = true
		}
	}
	if len(sizes) < 12 {
		t.Fatalf("only %d sizes", len(sizes))
	}
	full := func(does string, most int) {
		t.Helper()
		_, err := w.run(t, does, 1, most, -1)
		if err == nil || strings.Count(err.Error(), "file too large") != 1 || strings.Contains(err.Error(), w.dir) {
			t.Errorf("%s, %d bytes: %v", does, most, err)
		}
		w.wholeStates(t)
		for name := range w.files(t) {
			if strings.HasPrefix(name, "work/") {
				t.Errorf("%s, %d bytes: %s is left", does, most, name)
			}
		}
	}
	for _, most := range slices.Sorted(maps.Keys(sizes)) {
		full("create", most)
	}
	_, err = w.run(t, "create", 1, 0, -1)
	must(t, err)
	for _, does := range []string{"forget", "key", "drill", "prune"} {
		full(does, 1)
		if does != "drill" { // which takes no lock
			full(does, 250)
		}
	}
	h, err := w.History()
	must(t, err)
	if all, err := w.Recipients(); err != nil || len(all) != 1 || len(h.Kept) != 2 {
		t.Errorf("%d recipients, %d snapshots, %v", len(all), len(h.Kept), err)
	}
	for _, does := range []string{"create", "key", "drill", "forget", "prune"} {
		_, err := w.run(t, does, 2, 0, -1)
		must(t, err)
	}
	w.wholeStates(t)
}

// TestReadOnly: where nothing can be written, what reads works, and what writes says
// which file it could not.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for state := range 2 {
		_, err := w.run(t, "create", state, 0, -1)
		must(t, err)
	}
	must(t, os.Chmod(filepath.Dir(w.dir), 0o755))
	w.chmod(t, 0o555, 0o444)
	defer w.chmod(t, 0o700, 0o600)
	before := w.files(t)
	for does, says := range map[string]string{
		"create": "lock: permission denied", "forget": "lock: permission denied", "key": "lock: permission denied", "prune": "lock: permission denied",
		"drill": "work/", "check": "", "restore": "",
	} {
		_, err := w.run(t, does, 3, -1, -1)
		switch {
		case says == "" && err != nil:
			t.Errorf("%s: %v", does, err)
		case says != "" && (err == nil || !strings.Contains(err.Error(), says) || strings.Count(err.Error(), "permission denied") != 1 || strings.Contains(err.Error(), w.dir)):
			t.Errorf("%s: %v", does, err)
		}
	}
	after := w.files(t)
	if len(before) != len(after) {
		t.Error("something was written")
	}
	w.wholeStates(t)
}

func (w *world) chmod(t *testing.T, dirs, files os.FileMode) {
	t.Helper()
	must(t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return os.Chmod(path, dirs|0o500)
		}
		return os.Chmod(path, files)
	}))
}

// TestSlow: whose disk is so slow that its lock ended meanwhile publishes nothing, and
// who took the lock over is not disturbed.
func TestSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.take(t, "main", store{{"a", "1"}})
	_, slow, err := w.Lock(t.Context(), "local:slow", "create")
	must(t, err)
	key, _, err := w.Key()
	must(t, err)
	taken, err := w.Begin(slow, snapshot.Header{Gateway: "g", Store: "main", Product: "memory", By: "local:slow", Begun: w.at})
	must(t, err)
	must(t, add(taken, key, "main", holding("a", "slow")))
	// Another machine takes the lock once it has ended, and publishes.
	w.at = w.at.Add(time.Hour)
	must(t, os.WriteFile(filepath.Join(w.dir, "lock"), []byte(`{"owner":"x","by":"local:quick","does":"create","host":"other","until":"2036-01-01T00:00:00Z"}`+"\n"), 0o600))
	if _, err := taken.Close(nil); err == nil || !strings.Contains(err.Error(), "was lost to another command") {
		t.Errorf("it publishes: %v", err)
	}
	must(t, taken.Abort())
	must(t, slow.Release())
	if b, err := os.ReadFile(filepath.Join(w.dir, "lock")); err != nil || !strings.Contains(string(b), "local:quick") {
		t.Errorf("the lock of another was released: %s, %v", b, err)
	}
	h, err := w.History()
	must(t, err)
	if len(h.Kept) != 1 || h.Kept[0].ID != first.ID {
		t.Error("another snapshot stands")
	}
	if left, err := os.ReadDir(filepath.Join(w.dir, "work")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}
