package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/secret"
)

// keyring returns a real keyring; making one takes no time.
func keyring(t testing.TB) backends.KeyWrapper {
	t.Helper()
	k, err := backup.NewKeyringOf("A256KW")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func open(t testing.TB, path string, keys backends.KeyWrapper) *bolt.Store {
	t.Helper()
	b, err := tryOpen(t, path, keys)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	s, ok := b.(*bolt.Store)
	if !ok {
		t.Fatalf("open returned a %T", b)
	}
	return s
}

func tryOpen(t testing.TB, path string, keys backends.KeyWrapper) (backends.Backend, error) {
	t.Helper()
	return bolt.Open(t.Context(), backends.Env{Store: "payments", Keys: keys, Now: time.Now}, &bolt.Config{Path: path})
}

func TestConformance(t *testing.T) {
	t.Parallel()
	keys := keyring(t)
	var mu sync.Mutex
	paths := map[backends.Backend]string{}
	backendtest.Run(t, backendtest.Harness{
		Open: func(t *testing.T) backends.Backend {
			path := filepath.Join(t.TempDir(), "s.db")
			b := open(t, path, keys)
			mu.Lock()
			defer mu.Unlock()
			paths[b] = path
			return b
		},
		Reopen: func(t *testing.T, b backends.Backend) backends.Backend {
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			return open(t, paths[b], keys)
		},
		Keys: func(backends.Backend) backends.KeyWrapper { return keys },
	})
}

func TestFileMode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "s.db")
	open(t, path, keyring(t))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v", info.Mode())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("making the store left %d files", len(entries))
	}
}

// TestHeld: a second opener fails soon and says which file is held.
func TestHeld(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	keys := keyring(t)
	open(t, path, keys)
	synctest.Test(t, func(t *testing.T) { // its clock knows no busy machine
		start := time.Now()
		_, err := tryOpen(t, path, keys)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("refused only after %v", took)
		}
		wantOpenError(t, err, secret.Unavailable, path, "held by another process")
	})
}

func wantOpenError(t *testing.T, err error, k secret.Kind, words ...string) {
	t.Helper()
	if !errors.Is(err, k) {
		t.Fatalf("the error is %v, want %v", err, k)
	}
	for _, w := range words {
		if !strings.Contains(secret.DetailOf(err), w) {
			t.Errorf("the detail %q does not say %q", secret.DetailOf(err), w)
		}
	}
}

// sealOnly is a keyring that cannot open.
type sealOnly struct{ backends.KeyWrapper }

func (sealOnly) CanUnwrap() bool { return false }

func TestKeyring(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	keys := keyring(t)
	_, err := tryOpen(t, path, nil)
	wantOpenError(t, err, secret.Invalid, path, "needs a keyring")
	_, err = tryOpen(t, path, sealOnly{keys})
	wantOpenError(t, err, secret.Invalid, path, "can seal and not open")
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused keyring made a file")
	}
	if err := open(t, path, keys).Close(); err != nil {
		t.Fatal(err)
	}
	_, err = tryOpen(t, path, keyring(t))
	wantOpenError(t, err, secret.Invalid, path, "another one")
	if said := secret.Explain(err); strings.Count(said, "another one") != 1 {
		t.Errorf("it says it twice: %s", said)
	}
	open(t, path, keys)
}

func TestNoFolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "none", "s.db")
	_, err := tryOpen(t, path, keyring(t))
	wantOpenError(t, err, secret.Unavailable, path, "the folder of the file does not exist")
}

func TestNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := keyring(t)
	good := filepath.Join(dir, "good.db")
	s := open(t, good, keys)
	if _, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for what, content := range map[string][]byte{
		"text":    bytes.Repeat([]byte("no database\n"), 5000),
		"zeros":   make([]byte, 64<<10),
		"cut":     data[:3*os.Getpagesize()],
		"one":     {0},
		"empty":   {},
		"no-meta": append(make([]byte, 2*os.Getpagesize()), data[2*os.Getpagesize():]...),
	} {
		path := filepath.Join(dir, what)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := tryOpen(t, path, keys)
		wantOpenError(t, err, secret.Invalid, path)
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
			t.Errorf("%s: a file that is refused was changed", what)
		}
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink(filepath.Join(dir, "nowhere"), dangling); err != nil {
		t.Fatal(err)
	}
	_, err = tryOpen(t, dangling, keys)
	wantOpenError(t, err, secret.Unavailable, dangling)
	_, err = tryOpen(t, dir, keys)
	wantOpenError(t, err, secret.Invalid, dir)
	_, err = tryOpen(t, filepath.Join(dir, "absent", "s.db"), keys)
	wantOpenError(t, err, secret.Unavailable, "absent")
}

// TestSealed: nothing but names stands in the file in clear.
func TestSealed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	b := open(t, path, keyring(t))
	s := backendtest.Sample("visible-name")
	if _, err := b.Import(t.Context(), s, "token"); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(file, []byte("visible-name")) {
		t.Error("the name is not found: this test looks in the wrong place")
	}
	for _, hidden := range []string{"canary", "sample.secret", "sample.version", "owner", "x-pem-file", "pending", "blue", "ünïcode"} {
		if bytes.Contains(file, []byte(hidden)) {
			t.Errorf("%q stands in the file", hidden)
		}
	}
}

// TestRenamedStore: the name in the configuration may change.
func TestRenamedStore(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s.db")
	keys := keyring(t)
	b := open(t, path, keys)
	s := backendtest.Sample("s")
	if _, err := b.Import(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	renamed, err := bolt.Open(t.Context(), backends.Env{Store: "other", Keys: keys}, &bolt.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	got, err := renamed.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	backendtest.Compare(t, s, got, nil)
	if err := renamed.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestClosed: a call after Close fails as one that could not reach its product.
func TestClosed(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "s.db"), keyring(t))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
	_, err2 := b.Get(t.Context(), "s", secret.Current)
	for _, err := range []error{err, err2, b.Check(t.Context())} {
		if !errors.Is(err, secret.Unavailable) {
			t.Errorf("after Close: %v, want %v", err, secret.Unavailable)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if err := (&bolt.Config{}).Validate(); err == nil || !strings.Contains(err.Error(), "path") {
		t.Errorf("a missing path: %v", err)
	}
}

// TestManyVersions: the last of many writes costs about as much as an early
// one: it does not write the other versions again.
func TestManyVersions(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "s.db"), keyring(t))
	const n, size = 500, 1000
	cost := func(i int) int64 {
		before := bolt.Allocated(b)
		if _, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue(fmt.Sprintf("%0*d", size, i))}); err != nil {
			t.Fatal(err)
		}
		return bolt.Allocated(b) - before
	}
	var early, last int64
	for i := range n {
		last = cost(i)
		if i < 20 {
			early = max(early, last)
		}
	}
	if early == 0 || last > 3*early {
		t.Errorf("write %d took %d bytes of pages, an early one %d", n, last, early)
	}
	s, err := b.Export(t.Context(), "s")
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Versions {
		if v := s.Versions[i]; v.Ordinal != secret.Ordinal(i+1) || string(v.Value.Reveal()) != fmt.Sprintf("%0*d", size, i) {
			t.Fatalf("version %d is not what was written", v.Ordinal)
		}
	}
}
