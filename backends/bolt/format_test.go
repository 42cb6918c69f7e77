package bolt_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/golden"
	"github.com/vaultferry/vaultferry/secret"
)

// goldenFolder holds a file of format 1, once released never changed, and its
// keyring. With -update they are made where they are missing.
var goldenFolder = filepath.Join("testdata", "format-1")

var largeLengths = []int{10, 5000, 900, 40000}

// goldenFile unpacks that file: the stock, and "large" with four values.
func goldenFile(t *testing.T) (path string, keys *backup.Keyring) {
	t.Helper()
	if _, err := os.Stat(goldenFolder); golden.Updating() && errors.Is(err, os.ErrNotExist) {
		makeGolden(t)
	}
	raw, err := os.ReadFile(filepath.Join(goldenFolder, "keyring.json"))
	if err != nil {
		t.Fatal(err)
	}
	keys, err = backup.ParseKeyring(raw)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := os.Open(filepath.Join(goldenFolder, "s.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	z, err := gzip.NewReader(packed)
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

func makeGolden(t *testing.T) {
	t.Helper()
	dir, keys := newFolder(t)
	path := filepath.Join(dir, "s.db")
	b := open(t, path, keys)
	stock(t, b)
	for _, n := range largeLengths {
		if _, err := b.Put(t.Context(), "large", secret.Draft{Value: secret.TextValue(strings.Repeat("L", n))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bolt.Compact(t.Context(), path, keys); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(file)
	err = errors.Join(err, z.Close(), os.MkdirAll(goldenFolder, 0o750),
		os.WriteFile(filepath.Join(goldenFolder, "s.db.gz"), packed.Bytes(), 0o600), keys.Create(filepath.Join(goldenFolder, "keyring.json")))
	if err != nil {
		t.Fatal(err)
	}
}

// TestFormat: a file of the format opens and holds what it held, the trash and
// the gateway's records too, under every id; it is sound, and can be written.
func TestFormat(t *testing.T) {
	t.Parallel()
	path, keys := goldenFile(t)
	found, err := bolt.Verify(t.Context(), path, path, keys)
	if err != nil || found.Format != 1 || found.Secrets != 2 || found.Deleted != 1 || found.Records != 1 {
		t.Fatalf("%+v, %v", found, err)
	}
	for range 2 {
		b := open(t, path, keys)
		large, err := b.Export(t.Context(), "large")
		if err != nil || len(large.Versions) != 4 || large.Current != 4 {
			t.Fatalf("Export: %+v, %v", large, err)
		}
		for i, n := range largeLengths {
			v := large.Versions[i]
			if v.Ordinal != secret.Ordinal(i+1) || string(v.Value.Reveal()) != strings.Repeat("L", n) {
				t.Errorf("version %d is not what was written", i+1)
			}
			got, err := b.Get(t.Context(), "large", secret.ByUID(v.UID))
			if err != nil || got.Versions[0].Ordinal != v.Ordinal || !got.Versions[0].Value.Equal(v.Value) {
				t.Errorf("by its id: %v, or another version", err)
			}
		}
		live, err := b.Export(t.Context(), "live")
		if err != nil {
			t.Fatal(err)
		}
		backendtest.Compare(t, backendtest.Sample("live"), live, nil)
		if _, err := store(t, b).DescribeTrash(t.Context(), "dead"); err != nil {
			t.Errorf("DescribeTrash: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b := open(t, path, keys)
	if err := deleteAndPurge(t, store(t, b), "large"); err != nil {
		t.Fatal(err)
	}
	wantStock(t, store(t, b))
	only(t, filepath.Dir(path), "s.db")
}

func deleteAndPurge(t *testing.T, s *bolt.Store, name secret.Name) error {
	_, err := s.Delete(t.Context(), name, time.Now())
	return errors.Join(err, s.Purge(t.Context(), name))
}

// TestOtherKeyringChangesNothing: a file that cannot be opened stays as it is.
func TestOtherKeyringChangesNothing(t *testing.T) {
	t.Parallel()
	path, keys := goldenFile(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryOpen(t, path, keyring(t)); !errors.Is(err, secret.Invalid) {
		t.Errorf("with another keyring: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed, or is gone: %v", err)
	}
	if err := open(t, path, keys).Check(t.Context()); err != nil {
		t.Error(err)
	}
}
