package snapshot_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// TestOneBitInEachByte: wherever one is changed, it is found without a key that
// opens, and the file is named.
func TestOneBitInEachByte(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.take(t, "main", store{{"a", "1"}})
	w.take(t, "main", store{{"a", "1"}})
	w.under(t, func(lock *snapshot.Lock) { must(t, w.Forget(lock, "local:test", first)) })
	must(t, w.AddDrill(&snapshot.Drill{Snapshot: first.ID, Store: "main", Product: "memory", As: "memory", By: "local:test", Begun: w.at, Ended: w.at, Tried: 1, Same: 1}))
	public, err := w.keys.PublicSigning()
	must(t, err)
	holder := w.keys
	w.keys = public
	if d := w.check(t, snapshot.CheckOptions{}); len(d) > 0 {
		t.Fatal("damaged before anything was changed: ", d)
	}
	files := w.files(t)
	if len(files) < 7 {
		t.Fatalf("only %d files", len(files))
	}
	for name, content := range files {
		for i := range content {
			changed := bytes.Clone(content)
			changed[i] ^= 1 << (i % 8)
			must(t, os.WriteFile(filepath.Join(w.dir, name), changed, 0o600))
			if d := w.check(t, snapshot.CheckOptions{}); len(d) == 0 || !names(d, name) {
				t.Errorf("%s: byte %d was changed: %v", name, i, d)
			}
		}
		must(t, os.WriteFile(filepath.Join(w.dir, name), content, 0o600))
	}
	w.keys = holder
	if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
		t.Error(d)
	}
}

func names(all []snapshot.Damage, file string) bool {
	for _, d := range all {
		if d.File == file {
			return true
		}
	}
	return false
}

// TestDamage: what sync tools, disks and people do to a repository is found and
// named.
func TestDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.take(t, "main", store{{"a", "1"}, {"b", "1"}})
	second := w.take(t, "main", store{{"a", "2"}, {"b", "1"}})
	third := w.take(t, "main", store{{"a", "3"}, {"b", "1"}})
	other := newWorld(t)
	foreign := other.take(t, "main", store{{"a", "1"}})
	must(t, other.AddDrill(&snapshot.Drill{Snapshot: foreign.ID, Begun: w.at, Ended: w.at}))
	drills, err := os.ReadDir(filepath.Join(other.dir, "drills"))
	must(t, err)
	drill := "drills/" + drills[0].Name()
	documents := documentsOf(t, w, first)
	path := func(name string) string { return filepath.Join(w.dir, name) }
	swap := func(t *testing.T, x, y string) {
		must(t, os.Rename(path(x), path("z")))
		must(t, os.Rename(path(y), path(x)))
		must(t, os.Rename(path("z"), path(y)))
	}
	copyFrom := func(t *testing.T, from, to string) {
		b, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(to, b, 0o600))
	}
	for what, tt := range map[string]struct {
		do   func(t *testing.T)
		o    snapshot.CheckOptions
		file string
		says string
	}{
		"a document is missing":     {func(t *testing.T) { must(t, os.Remove(path(documents["b"]))) }, snapshot.CheckOptions{}, documents["b"], "it is missing (b, in 3 snapshots)"},
		"a document is cut":         {func(t *testing.T) { must(t, os.Truncate(path(documents["b"]), 100)) }, snapshot.CheckOptions{}, documents["b"], "it has 100 bytes"},
		"two are swapped":           {func(t *testing.T) { swap(t, documents["a"], documents["b"]) }, snapshot.CheckOptions{}, documents["a"], "it was changed"},
		"one is doubled":            {func(t *testing.T) { copyFrom(t, path(documents["a"]), path(documents["a"]+" (copy)")) }, snapshot.CheckOptions{}, documents["a"] + " (copy)", "no file of a repository"},
		"a snapshot is missing":     {func(t *testing.T) { must(t, os.Remove(path("snapshots/"+second.ID))) }, snapshot.CheckOptions{}, "snapshots/" + second.ID, "it is missing"},
		"the newest is missing":     {func(t *testing.T) { must(t, os.Remove(path("snapshots/"+third.ID))) }, snapshot.CheckOptions{Expect: []string{third.ID}}, "snapshots/" + third.ID, "it is expected"},
		"two snapshots are swapped": {func(t *testing.T) { swap(t, "snapshots/"+first.ID, "snapshots/"+third.ID) }, snapshot.CheckOptions{}, "snapshots/" + first.ID, "its SHA-256 is not its name"},
		"a snapshot of another": {func(t *testing.T) {
			copyFrom(t, filepath.Join(other.dir, "snapshots", foreign.ID), path("snapshots/"+foreign.ID))
		}, snapshot.CheckOptions{}, "snapshots/" + foreign.ID, "it is of repository " + other.ID()},
		"a drill of another":               {func(t *testing.T) { copyFrom(t, filepath.Join(other.dir, drill), path(drill)) }, snapshot.CheckOptions{}, drill, "no trusted key signed it"},
		"all keys are missing":             {func(t *testing.T) { must(t, os.RemoveAll(path("keys"))) }, snapshot.CheckOptions{}, "keys", "no recipient is left"},
		"a folder of documents is missing": {func(t *testing.T) { must(t, os.RemoveAll(path("documents"))) }, snapshot.CheckOptions{}, documents["a"], "it is missing"},
	} {
		t.Run(what, func(t *testing.T) {
			saved := t.TempDir()
			must(t, os.CopyFS(filepath.Join(saved, "repo"), os.DirFS(w.dir)))
			tt.do(t)
			d := w.check(t, tt.o)
			if !names(d, tt.file) || !strings.Contains(whatOf(d, tt.file), tt.says) {
				t.Errorf("found: %v", d)
			}
			must(t, os.RemoveAll(w.dir))
			must(t, os.CopyFS(w.dir, os.DirFS(filepath.Join(saved, "repo"))))
			if d := w.check(t, snapshot.CheckOptions{ReadData: true, Expect: []string{third.ID}}); len(d) > 0 {
				t.Fatal(d)
			}
		})
	}
}

func whatOf(all []snapshot.Damage, file string) string {
	var said []string
	for _, d := range all {
		if d.File == file {
			said = append(said, d.What)
		}
	}
	return strings.Join(said, "; ")
}

func documentsOf(t *testing.T, w *world, s *snapshot.Snapshot) map[secret.Name]string {
	t.Helper()
	all := map[secret.Name]string{}
	_, err := w.Load(s.ID, func(e *snapshot.Entry) error {
		all[e.Name] = "documents/" + e.Document[:2] + "/" + e.Document
		return nil
	})
	must(t, err)
	return all
}

// TestSignedTooLate: a snapshot that a key signed after it was retired is found, and
// so is one from the future; what it signed before stays good.
func TestSignedTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.take(t, "main", store{{"a", "1"}})
	late := w.take(t, "main", store{{"a", "2"}})
	_, signer, _ := w.keys.Signer()
	added, _, err := w.keys.Add(backup.AlgEdDSA)
	must(t, err)
	w.keys, err = added.Retire(signer, late.Begun.Add(-time.Minute))
	must(t, err)
	if d := w.check(t, snapshot.CheckOptions{}); len(d) != 1 || !strings.Contains(whatOf(d, "snapshots/"+late.ID), "after it was retired") {
		t.Error(d)
	}
	w.keys = added
	w.at = w.at.Add(-time.Hour)
	if d := w.check(t, snapshot.CheckOptions{}); len(d) != 1 || !strings.Contains(whatOf(d, "snapshots/"+late.ID), "begun in the future") {
		t.Error(d)
	}
}

// TestHealing: a document that was lost is sealed anew by the next snapshot, and the
// older one is whole again.
func TestHealing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.take(t, "main", store{{"a", "1"}})
	file := filepath.Join(w.dir, documentsOf(t, w, first)["a"])
	must(t, os.Remove(file))
	w.take(t, "main", store{{"a", "1"}})
	if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
		t.Error(d)
	}
	older := entryOf(t, w, first, "a")
	key, _, err := w.Key()
	must(t, err)
	if _, err := w.Blob(key, older); err != nil {
		t.Error("what was sealed anew is not taken for the old: ", err)
	}
	must(t, os.Truncate(file, 10))
	if _, err := w.Blob(key, older); !errors.Is(err, secret.Corrupt) {
		t.Errorf("a document that was cut: %v", err)
	}
	w.take(t, "main", store{{"a", "1"}})
	if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
		t.Error(d)
	}
}

func entryOf(t *testing.T, w *world, s *snapshot.Snapshot, name secret.Name) (found *snapshot.Entry) {
	t.Helper()
	_, err := w.Load(s.ID, func(e *snapshot.Entry) error {
		if e.Name == name {
			found = e
		}
		return nil
	})
	must(t, err)
	return found
}
