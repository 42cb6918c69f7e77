package snapshot_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// canary begins every value.
const canary = "canary-"

// world is a repository, with the clock of whoever takes snapshots.
type world struct {
	*snapshot.Repository
	dir  string
	keys *backup.Keyring
	at   time.Time
}

func (w *world) now() time.Time { return w.at }

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{dir: filepath.Join(t.TempDir(), "repo"), keys: backup.NewKeyring(), at: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
	var err error
	w.Repository, err = snapshot.Init(w.dir, w.keys, w.now)
	must(t, err)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// store is what a store holds: a value for each name, in order.
type store []struct {
	name  secret.Name
	value string
}

func holding(name secret.Name, value string) *secret.Secret {
	return &secret.Secret{Name: name, Current: 1, Versions: []secret.Version{{Ordinal: 1, UID: secret.UID{1}, Value: secret.TextValue(canary + value)}}}
}

// take takes a snapshot as a gateway's would be, an hour after the last one.
func (w *world) take(t testing.TB, of string, all store) *snapshot.Snapshot {
	t.Helper()
	w.at = w.at.Add(time.Hour)
	_, lock, err := w.Lock(t.Context(), "local:test", "create")
	must(t, err)
	s, err := w.begin(lock, of, all)
	must(t, err)
	must(t, lock.Release())
	return s
}

func (w *world) begin(lock *snapshot.Lock, of string, all store) (*snapshot.Snapshot, error) {
	key, _, err := w.Key()
	if err != nil {
		return nil, err
	}
	taken, err := w.Begin(lock, snapshot.Header{Gateway: "g", Store: of, Product: "memory", By: "local:test", Begun: w.at})
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if err := add(taken, key, of, holding(s.name, s.value)); err != nil {
			_ = taken.Abort()
			return nil, err
		}
	}
	made, err := taken.Close(nil)
	if err != nil {
		_ = taken.Abort()
	}
	return made, err
}

func add(taken *snapshot.Taking, key *backup.RepositoryKey, of string, s *secret.Secret) error {
	name, err := key.Name(s)
	if err != nil {
		return err
	}
	e := &snapshot.Entry{Name: s.Name, Document: name, Versions: len(s.Versions)}
	if taken.Known(s.Name) == name {
		return taken.Add(e, nil)
	}
	blob, err := key.Seal(&backup.Document{Origin: backup.Origin{Gateway: "g", Store: of, Name: s.Name}, SealedAt: time.Unix(1796040000, 0), Secret: s})
	if err != nil {
		return err
	}
	return taken.Add(e, blob)
}

// files lists what stands in the repository but for the lock, and fails where a
// value or a key does.
func (w *world) files(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	must(t, filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(canary)) || bytes.Contains(b, []byte(`"k":`)) || bytes.Contains(b, []byte("naming")) {
			t.Errorf("%s holds a value or a key", path)
		}
		all[strings.TrimPrefix(path, w.dir+"/")] = b
		return err
	}))
	return all
}

// check opens the repository anew and checks it; what hinders that is damage, too.
func (w *world) check(t testing.TB, o snapshot.CheckOptions) []snapshot.Damage {
	t.Helper()
	r, err := snapshot.Open(w.dir, w.keys, w.now)
	if err != nil {
		e, ok := errors.AsType[*secret.Error](err)
		if !ok {
			t.Fatal(err)
		}
		file, what, _ := strings.Cut(e.Detail, ": ")
		return []snapshot.Damage{{File: file, What: what}}
	}
	c, err := r.Check(t.Context(), o)
	must(t, err)
	return c.Damage
}
