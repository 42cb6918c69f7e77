package bolt_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// format1 unpacks a file that a release before the trash wrote: the sample as
// "sample", and "s" with three versions.
func format1(t *testing.T) (path string, keys *backup.Keyring) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "format-1", "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = backup.ParseKeyring(raw); err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(filepath.Join("testdata", "format-1", "s.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "s.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, keys
}

// TestFormat1: a file from before the trash opens, holds what it held, and can
// delete; once more it opens as it is now.
func TestFormat1(t *testing.T) {
	t.Parallel()
	path, keys := format1(t)
	for range 2 {
		b := open(t, path, keys)
		got, err := b.Export(t.Context(), "sample")
		if err != nil {
			t.Fatal(err)
		}
		backendtest.Compare(t, backendtest.Sample("sample"), got, nil)
		s := store(t, b)
		if got, err = s.Delete(t.Context(), "s", time.Now()); err != nil || len(got.Versions) != 3 {
			t.Fatalf("Delete: %v", err)
		}
		if _, err := s.Recover(t.Context(), "s"); err != nil {
			t.Fatalf("Recover: %v", err)
		}
		_, revision, err := s.ReadNote(t.Context(), "n")
		if err != nil && !errors.Is(err, secret.NotFound) {
			t.Fatalf("ReadNote: %v", err)
		}
		if err := s.WriteNote(t.Context(), "n", []byte(`{}`), revision); err != nil {
			t.Fatalf("WriteNote: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFormat1OtherKeyring: a file that cannot be opened stays as it is.
func TestFormat1OtherKeyring(t *testing.T) {
	t.Parallel()
	path, keys := format1(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(t, path, keyring(t)); !errors.Is(err, secret.Invalid) {
		t.Errorf("with another keyring: %v", err)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("a file that was refused has changed, or is gone: %v", err)
	}
	if err := open(t, path, keys).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// tester is what rapid's and testing's T share.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func store(t tester, b backends.Backend) *bolt.Store {
	t.Helper()
	s, ok := b.(*bolt.Store)
	if !ok {
		t.Fatalf("the store is a %T", b)
	}
	return s
}

// TestTrashTimes: the date of the purge is kept to the nanosecond, and so is
// that there is none.
func TestTrashTimes(t *testing.T) {
	t.Parallel()
	path, keys := filepath.Join(t.TempDir(), "s.db"), keyring(t)
	s := store(t, open(t, path, keys))
	dates := map[secret.Name]time.Time{"none": {}, "exact": time.Date(2030, 1, 2, 3, 4, 5, 678901234, time.UTC)}
	for name, purge := range dates {
		if _, err := s.Put(t.Context(), name, secret.Draft{Value: secret.TextValue("x")}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Delete(t.Context(), name, purge); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = store(t, open(t, path, keys))
	for name, purge := range dates {
		got, err := s.DescribeTrash(t.Context(), name)
		if err != nil || !got.Deleted.Purge.Equal(purge) || time.Since(got.Deleted.At).Abs() > time.Hour {
			t.Errorf("%s: %v, deleted %+v", name, err, got.Deleted)
		}
	}
}

// TestPurgeLeavesNothing: after a purge the file holds no record of the name.
func TestPurgeLeavesNothing(t *testing.T) {
	t.Parallel()
	s := store(t, open(t, filepath.Join(t.TempDir(), "s.db"), keyring(t)))
	empty := bolt.Keys(t, s)
	for range 5 {
		if _, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if bolt.Keys(t, s) <= empty {
		t.Fatal("five versions are no record")
	}
	if _, err := s.Delete(t.Context(), "s", time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	if n := bolt.Keys(t, s); n != empty {
		t.Errorf("%d records, %d before the secret was there", n, empty)
	}
}
