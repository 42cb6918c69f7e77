package snapshot_test

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// smallOfAll has a file of each kind, and of most two.
func smallOfAll(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	first := w.take(t, "main", store{{"a", "1"}})
	w.take(t, "main", store{{"a", "1"}, {"b", "22"}})
	w.take(t, "main", store{{"a", "1"}, {"b", "22"}})
	escrow, err := backup.NewKeyringOf(backup.AlgECDH)
	must(t, err)
	w.under(t, func(lock *snapshot.Lock) {
		must(t, w.Forget(lock, "local:test", first))
		_, err := w.AddRecipient(lock, escrow)
		must(t, err)
	})
	must(t, w.AddDrill(&snapshot.Drill{Snapshot: first.ID, Store: "main", Product: "memory", As: "memory", By: "local:test", Begun: w.at, Ended: w.at, Tried: 1, Same: 1}))
	return w
}

// TestEachFile: whatever happens to one file, or to two, it is found and the file is
// named, and nobody waits for it.
func TestEachFile(t *testing.T) {
	t.Parallel()
	w := smallOfAll(t)
	files := w.files(t)
	all := slices.Sorted(maps.Keys(files))
	if len(all) != 11 { // repository, 4 of keys, 2 snapshots, forgotten, drill, 2 documents
		t.Fatal(all)
	}
	path := func(name string) string { return filepath.Join(w.dir, name) }
	put := func(name string, content []byte) { must(t, os.WriteFile(path(name), content, 0o600)) }
	found := func(what, name string) {
		t.Helper()
		if d := w.check(t, snapshot.CheckOptions{ReadData: true}); !names(d, name) {
			t.Errorf("%s is %s: %v", name, what, d)
		}
	}
	for _, name := range all {
		content := files[name]
		for _, n := range []int{0, 1, len(content) / 2, len(content) - 1} {
			put(name, content[:n])
			found("cut", name)
		}
		put(name, append(bytes.Clone(content), content...))
		found("doubled in itself", name)
		put(name, append(bytes.Clone(content), '\n'))
		found("longer", name)
		for what, make := range map[string]func(string, uint32) error{
			"a folder": syscall.Mkdir, "a pipe": syscall.Mkfifo,
			"a link to nowhere": func(p string, _ uint32) error { return os.Symlink("nowhere", p) },
		} {
			must(t, os.Remove(path(name)))
			must(t, make(path(name), 0o700))
			if name != "repository" || what != "a link to nowhere" { // then there is no repository
				found(what, name)
			}
			must(t, os.Remove(path(name)))
			put(name, content)
		}
		if !strings.Contains(name, "/") { // beside the folders there may be anything
			continue
		}
		for _, end := range []string{" (1)", ".sync-conflict-20261130", "~", ".jwe"} {
			put(name+end, content)
			found("doubled", name+end)
			must(t, os.Remove(path(name+end)))
		}
	}
	for i, a := range all {
		for _, b := range all[i+1:] {
			put(a, files[b])
			put(b, files[a])
			if b != "repository" && b != strings.TrimSuffix(a, ".jwe")+".jws" { // without those nothing can be said of the others
				found("swapped with "+b, a)
			}
			if a != "repository" {
				found("swapped with "+a, b)
			}
			put(a, files[a])
			put(b, files[b])
		}
	}
	if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
		t.Fatal(d)
	}
}

// TestMissing: each file that is missing is noticed, but for the newest snapshot,
// which --expect is for, and the result of a drill, which proves no more than it says.
func TestMissing(t *testing.T) {
	t.Parallel()
	w := smallOfAll(t)
	files := w.files(t)
	h, err := w.History()
	must(t, err)
	newest := h.Kept[len(h.Kept)-1].ID
	for name, content := range files {
		must(t, os.Remove(filepath.Join(w.dir, name)))
		if name == "repository" {
			_, err := snapshot.Open(w.dir, w.keys, w.now)
			if !errors.Is(err, secret.NotFound) {
				t.Errorf("%s is missing: %v", name, err)
			}
			must(t, os.WriteFile(filepath.Join(w.dir, name), content, 0o600))
			continue
		}
		want := name
		if id, ok := strings.CutPrefix(name, "forgotten/"); ok { // then nobody knows where it went
			want = "snapshots/" + id
		}
		d := w.check(t, snapshot.CheckOptions{})
		expected := name != "snapshots/"+newest && !strings.HasPrefix(name, "drills/")
		if dropped := strings.HasSuffix(name, ".jws"); dropped {
			want = strings.TrimSuffix(name, ".jws") + ".jwe"
		}
		if expected != names(d, want) || !expected && len(d) > 0 {
			t.Errorf("%s is missing: %v", name, d)
		}
		if d := w.check(t, snapshot.CheckOptions{Expect: []string{newest}}); name == "snapshots/"+newest && !names(d, name) {
			t.Errorf("the newest is missing: %v", d)
		}
		must(t, os.WriteFile(filepath.Join(w.dir, name), content, 0o600))
	}
}

// TestRolledBack: a tool that brought an older state of the folder back is found out
// by who knows the newest snapshot. What is taken then begins a branch, and when the
// lost one returns both are kept.
func TestRolledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.take(t, "main", store{{"a", "1"}})
	saved := filepath.Join(t.TempDir(), "saved")
	must(t, os.CopyFS(saved, os.DirFS(w.dir)))
	lost := w.take(t, "main", store{{"a", "2"}})
	later := filepath.Join(t.TempDir(), "later")
	must(t, os.CopyFS(later, os.DirFS(w.dir)))
	must(t, os.RemoveAll(w.dir))
	must(t, os.CopyFS(w.dir, os.DirFS(saved)))
	if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
		t.Errorf("nobody knows more: %v", d)
	}
	if d := w.check(t, snapshot.CheckOptions{Expect: []string{lost.ID}}); !names(d, "snapshots/"+lost.ID) {
		t.Errorf("the newest is lost: %v", d)
	}
	branch := w.take(t, "main", store{{"a", "3"}})
	for _, name := range []string{"snapshots", "documents"} { // the tool comes back to its senses
		must(t, filepath.WalkDir(filepath.Join(later, name), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			rel, err := filepath.Rel(later, path)
			must(t, err)
			b, err := os.ReadFile(path)
			must(t, err)
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(w.dir, rel)), 0o700))
			return os.WriteFile(filepath.Join(w.dir, rel), b, 0o600)
		}))
	}
	if d := w.check(t, snapshot.CheckOptions{ReadData: true, Expect: []string{lost.ID, branch.ID}}); len(d) > 0 {
		t.Error(d)
	}
	next := w.take(t, "main", store{{"a", "4"}})
	h, err := w.History()
	must(t, err)
	if len(h.Kept) != 4 || next.Predecessor != branch.ID {
		t.Errorf("%d are kept, and the next one follows %s", len(h.Kept), next.Predecessor)
	}
	w.age(t, 25*60*60*1e9)
	if p := w.prune(t); p.Documents != 0 {
		t.Errorf("%+v", p)
	}
}
