package bolt_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// oldFile unpacks a file that an earlier release wrote. In format 1 it is the
// sample as "sample", and "s" with three versions; in format 2 the stock, and
// "large" with four values, two of which are.
func oldFile(t *testing.T, format int) (path string, keys *backup.Keyring) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s.db")
	return path, unpackOld(t, format, path)
}

func unpackOld(t *testing.T, format int, path string) *backup.Keyring {
	t.Helper()
	from := filepath.Join("testdata", fmt.Sprintf("format-%d", format))
	raw, err := os.ReadFile(filepath.Join(from, "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := backup.ParseKeyring(raw)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.ReadFile(filepath.Join(from, "s.db.gz"))
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
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestFormat1: a file from before the trash opens, holds what it held, and can
// delete; once more it opens as it is now.
func TestFormat1(t *testing.T) {
	t.Parallel()
	path, keys := oldFile(t, 1)
	for range 2 {
		b := open(t, path, keys)
		wantSample(t, b, "sample")
		s := store(t, b)
		if got, err := s.Delete(t.Context(), "s", time.Now()); err != nil || len(got.Versions) != 3 {
			t.Fatalf("Delete: %v", err)
		}
		if _, err := s.Recover(t.Context(), "s"); err != nil {
			t.Fatalf("Recover: %v", err)
		}
		_, revision, err := s.ReadState(t.Context(), "n")
		if err != nil && !errors.Is(err, secret.NotFound) {
			t.Fatalf("ReadState: %v", err)
		}
		if err := s.WriteState(t.Context(), "n", []byte(`{}`), revision); err != nil {
			t.Fatalf("WriteState: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	only(t, filepath.Dir(path), "s.db")
}

func wantSample(t *testing.T, b backends.Backend, name secret.Name) {
	t.Helper()
	got, err := b.Export(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, backendtest.Sample(name), got, nil)
}

// TestFormat2: a file in which each part of a secret had its own bucket opens
// and holds what it held, the trash and the notes too, under every id.
func TestFormat2(t *testing.T) {
	t.Parallel()
	path, keys := oldFile(t, 2)
	for range 2 {
		b := open(t, path, keys)
		large, err := b.Export(t.Context(), "large")
		if err != nil || len(large.Versions) != 4 || large.Current != 4 {
			t.Fatalf("Export: %+v, %v", large, err)
		}
		for i, n := range []int{10, 5000, 900, 40000} {
			v := large.Versions[i]
			if v.Ordinal != secret.Ordinal(i+1) || string(v.Value.Reveal()) != strings.Repeat("L", n) {
				t.Errorf("version %d is not what was written", i+1)
			}
			got, err := b.Get(t.Context(), "large", secret.ByUID(v.UID))
			if err != nil || got.Versions[0].Ordinal != v.Ordinal || !got.Versions[0].Value.Equal(v.Value) {
				t.Errorf("by its id: %v, or another version", err)
			}
		}
		if _, err := store(t, b).DescribeTrash(t.Context(), "dead"); err != nil {
			t.Errorf("DescribeTrash: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	found, err := bolt.Verify(t.Context(), path, path, keys)
	if err != nil || found.Format != found.Newest {
		t.Fatalf("%+v, %v", found, err)
	}
	b := open(t, path, keys)
	if err := errors.Join(deleteAndPurge(t, store(t, b), "large")); err != nil {
		t.Fatal(err)
	}
	wantStock(t, store(t, b))
	only(t, filepath.Dir(path), "s.db")
}

func deleteAndPurge(t *testing.T, s *bolt.Store, name secret.Name) error {
	_, err := s.Delete(t.Context(), name, time.Now())
	return errors.Join(err, s.Purge(t.Context(), name))
}

// TestOldFormatOtherKeyring: a file that cannot be opened stays as it is.
func TestOldFormatOtherKeyring(t *testing.T) {
	t.Parallel()
	for _, format := range []int{1, 2} {
		path, keys := oldFile(t, format)
		sameFile(t, path, func() {
			if _, err := tryOpen(t, path, keyring(t)); !errors.Is(err, secret.Invalid) {
				t.Errorf("with another keyring: %v", err)
			}
		})
		if err := open(t, path, keys).Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// sameFile runs f, which must leave the file as it is.
func sameFile(t *testing.T, path string, f func()) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f()
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("%s has changed, or is gone: %v", filepath.Base(path), err)
	}
}

// TestOldFormatDamaged: a record that is damaged stays so and takes no other
// with it; where it is not known what is damaged, the file stays as it is.
func TestOldFormatDamaged(t *testing.T) {
	t.Parallel()
	tamper := func(path string, f func(tx *bbolt.Tx) error) {
		t.Helper()
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Update(f), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
	path, keys := oldFile(t, 2)
	tamper(path, func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte("values")).Put(append([]byte("large\x00"), 0, 0, 0, 0, 0, 0, 0, 4), []byte("x"))
	})
	b := open(t, path, keys)
	if _, err := b.Get(t.Context(), "large", secret.Current); secret.KindOf(err) != secret.Internal {
		t.Errorf("Get of what is damaged: %v", err)
	}
	if _, err := b.Get(t.Context(), "large", secret.ByOrdinal(2)); err != nil {
		t.Errorf("Get of another version: %v", err)
	}
	wantSample(t, b, "live")

	path, keys = oldFile(t, 2)
	tamper(path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte("uids")).Put([]byte("large\x00"), []byte("x")) })
	sameFile(t, path, func() {
		_, err := tryOpen(t, path, keys)
		if secret.KindOf(err) != secret.Corrupt || !strings.Contains(secret.DetailOf(err), "a key is none") {
			t.Errorf("Open: %v", err)
		}
	})
	only(t, filepath.Dir(path), "s.db")
}

// TestOldFormatRenewed: a file of an earlier format is sound, stays of that
// format where it is only compacted, and opens after either.
func TestOldFormatRenewed(t *testing.T) {
	t.Parallel()
	for _, format := range []int{1, 2} {
		path, keys := oldFile(t, format)
		_, compacted, err := bolt.Compact(t.Context(), path, keys)
		if err != nil || compacted.Format != format || compacted.Newest != 3 {
			t.Fatalf("%+v, %v", compacted, err)
		}
		before, after, err := bolt.Rekey(t.Context(), path, keys)
		if err != nil || after.Format != 3 || after.Versions != before.Versions || after.Versions == 0 {
			t.Fatalf("%+v, %v", after, err)
		}
		p, err := open(t, path, keys).List(t.Context(), secret.Query{})
		if err != nil || len(p.Secrets) != after.Secrets {
			t.Errorf("%d secrets, %v", len(p.Secrets), err)
		}
	}
}

// TestOldFormatRestored: a copy that an earlier release made can be restored.
func TestOldFormatRestored(t *testing.T) {
	t.Parallel()
	copied, keys := oldFile(t, 2)
	path := filepath.Join(t.TempDir(), "s.db")
	r := &bolt.Restore{From: copied, MadeAs: "payments", Keys: keys, Now: time.Now()}
	done, err := r.Into(t.Context(), path)
	if err != nil || done.Findings.Format != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	wantSample(t, open(t, path, keys), "live")
}
