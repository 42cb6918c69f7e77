package bolt_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// stock puts some of everything into a store, and room that is free.
func stock(t testing.TB, b *bolt.Store) {
	t.Helper()
	_, err := b.Import(t.Context(), backendtest.Sample("live"), "")
	_, err2 := b.Import(t.Context(), backendtest.Sample("dead"), "")
	_, err3 := b.Delete(t.Context(), "dead", time.Now())
	err4 := b.WriteState(t.Context(), "events", []byte(`{"n":1}`), "")
	_, err5 := b.Put(t.Context(), "gone", secret.Draft{Value: secret.TextValue(strings.Repeat("gone ", 100000))})
	_, err6 := b.Delete(t.Context(), "gone", time.Now())
	if err := errors.Join(err, err2, err3, err4, err5, err6, b.Purge(t.Context(), "gone")); err != nil {
		t.Fatal(err)
	}
}

// wantStock: all of it is there, and nothing else.
func wantStock(t testing.TB, b *bolt.Store) {
	t.Helper()
	p, err := b.List(t.Context(), secret.Query{WithTrash: true})
	if err != nil || len(p.Secrets) != 2 {
		t.Fatalf("%d secrets, %v", len(p.Secrets), err)
	}
	if _, err := b.Recover(t.Context(), "dead"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []secret.Name{"live", "dead"} {
		got, err := b.Export(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range backendtest.Differences(backendtest.Sample(name), got, nil) {
			t.Errorf("%s: %s", name, d)
		}
	}
	note, _, err := b.ReadState(t.Context(), "events")
	if err != nil || string(note) != `{"n":1}` {
		t.Errorf("the record is %q, %v", note, err)
	}
}

// stockFile is a store of these, closed.
func stockFile(t testing.TB, keys backends.KeyWrapper) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	b := open(t, path, keys)
	stock(t, b)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func only(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if got = append(got, e.Name()); !e.IsDir() {
			info, err := e.Info()
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v, %v", e.Name(), info.Mode(), err)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("in the folder stand %q, want %q", got, want)
	}
}

func TestCompact(t *testing.T) {
	t.Parallel()
	keys := keyring(t)
	path := stockFile(t, keys)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), ".s.db.work-123"), nil, 0o600); err != nil { // of a crash
		t.Fatal(err)
	}
	before, after, err := bolt.Compact(t.Context(), path, keys)
	if err != nil {
		t.Fatal(err)
	}
	if after.Bytes >= before.Bytes/2 || after.FreePages > 4 || after.Key != before.Key {
		t.Errorf("from %+v to %+v", before, after)
	}
	only(t, filepath.Dir(path), "s.db")
	wantStock(t, open(t, path, keys))
}

// TestRekey: what the old key opened, it opens no more, and what the old
// keyring did not lose meanwhile, the new key opens.
func TestRekey(t *testing.T) {
	t.Parallel()
	first, err := backup.NewKeyringOf(backup.AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	both, second, err := first.Add(backup.AlgECDH)
	if err != nil {
		t.Fatal(err)
	}
	old := first.Keys()[0].ID
	both, err = both.Retire(old, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	path := stockFile(t, first)
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, after, err := bolt.Rekey(t.Context(), path, both)
	if err != nil {
		t.Fatal(err)
	}
	if before.Key != old || after.Key != second || after.MadeAs != "payments" {
		t.Errorf("from %+v to %+v", before, after)
	}
	only(t, filepath.Dir(path), "s.db")
	_, err = tryOpen(t, path, first)
	wantOpenError(t, err, secret.Invalid, path, "another one")
	if opened := bolt.OpensWithKeyOf(t, path, both, was, first); opened != 0 {
		t.Errorf("the old data key opens %d records of the new file", opened)
	}
	if opened := bolt.OpensWithKeyOf(t, path, both, nil, both); opened == 0 {
		t.Error("the new data key opens nothing: this test looks in the wrong place")
	}
	wantStock(t, open(t, path, both))
}

// TestReplaceRefuses: what is not sound, held or not there is left as it is.
func TestReplaceRefuses(t *testing.T) {
	t.Parallel()
	keys := keyring(t)
	replace := func(path string, keys backends.KeyWrapper) []error {
		_, _, err := bolt.Compact(t.Context(), path, keys)
		_, _, err2 := bolt.Rekey(t.Context(), path, keys)
		return []error{err, err2}
	}
	for what, c := range map[string]struct {
		spoil func(path string)
		keys  backends.KeyWrapper
		kind  secret.Kind
		word  string
	}{
		"damaged": {func(path string) { bolt.Damage(t, path, "live") }, keys, secret.Corrupt, `"live": `},
		"held":    {func(path string) { open(t, path, keys) }, keys, secret.Unavailable, "held by another process"},
		"absent":  {func(path string) { _ = os.Remove(path) }, keys, secret.Unavailable, "cannot be opened"},
		"key":     {func(string) {}, keyring(t), secret.Invalid, "another one"},
		"sealer":  {func(string) {}, sealOnly{keys}, secret.Invalid, "can seal and not open"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			path := stockFile(t, keys)
			c.spoil(path)
			before, _ := os.ReadFile(path)
			for _, err := range replace(path, c.keys) {
				wantOpenError(t, err, c.kind, c.word)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

// TestThroughALink: what is replaced is the file and not the link to it.
func TestThroughALink(t *testing.T) {
	t.Parallel()
	keys := keyring(t)
	path := stockFile(t, keys)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bolt.Compact(t.Context(), link, keys); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is %v, %v", info.Mode(), err)
	}
	only(t, filepath.Dir(path), "s.db")
	wantStock(t, open(t, link, keys))
}

// TestReplacedWhileWaiting: who waits for a store that is replaced gets the new
// one. What it wrote to the old one would be lost.
func TestReplacedWhileWaiting(t *testing.T) {
	t.Parallel()
	keys := keyring(t)
	path := stockFile(t, keys)
	waits := make(chan struct{})
	got := make(chan backends.Backend, 1)
	bolt.WhileLocked(t, path, func() {
		go func() {
			close(waits)
			for {
				b, err := tryOpen(t, path, keys)
				if err == nil {
					got <- b
					return
				}
				if !errors.Is(err, bolt.ErrHeld) {
					t.Errorf("open: %v", err)
					got <- nil
					return
				}
			}
		}()
		<-waits
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+".new", data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	})
	b := <-got
	if b == nil {
		return
	}
	if _, err := b.Put(t.Context(), "kept", secret.Draft{Value: secret.TextValue("x")}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path, keys).Get(t.Context(), "kept", secret.Current); err != nil {
		t.Errorf("what was written is lost: %v", err)
	}
}
