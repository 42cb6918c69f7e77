package bolt_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/secret"
)

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
	for i := range 5 { // some values are large
		if _, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue(strings.Repeat("x", i*500))}); err != nil {
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
