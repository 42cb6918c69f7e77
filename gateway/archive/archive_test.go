package archive_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/secret"
)

func TestKeep(t *testing.T) {
	t.Parallel()
	d := archive.Dir(filepath.Join(t.TempDir(), "archive"))
	blob := []byte(")sealed")
	path := d.Path("main", "a/b", blob)
	if base := filepath.Base(path); !strings.HasPrefix(base, "main-a%2Fb-") {
		t.Errorf("the file is called %s", base)
	}
	var wg sync.WaitGroup
	for range 8 { // the same blob at once, and then again
		wg.Go(func() {
			if err := d.Keep(path, blob); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != string(blob) {
		t.Fatalf("kept %q, %v", got, err)
	}
	if files, err := os.ReadDir(string(d)); err != nil || len(files) != 1 {
		t.Errorf("%d files are there, %v", len(files), err)
	}
	for p, want := range map[string]os.FileMode{path: 0o600, string(d): 0o700} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
}

// TestKeepNeverReplaces: what is in the place of a blob and is none is an
// error, and stays.
func TestKeepNeverReplaces(t *testing.T) {
	t.Parallel()
	d := archive.Dir(t.TempDir())
	path := d.Path("main", "n", []byte("blob"))
	if err := os.WriteFile(path, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Keep(path, []byte("blob")); err == nil || !strings.Contains(err.Error(), "something else") {
		t.Errorf("got %v", err)
	}
	if got, _ := os.ReadFile(path); string(got) != "other" {
		t.Error("what stood was replaced")
	}
	if err := archive.Dir(filepath.Join(string(d), "no", "parent")).Keep("x", nil); err == nil {
		t.Error("a folder without a parent was made")
	}
}

// TestPath: two names or blobs never share a file, and each name fits.
func TestPath(t *testing.T) {
	t.Parallel()
	d := archive.Dir("x")
	seen := map[string]bool{}
	for _, name := range []secret.Name{"a", "a/b", "a%2Fb", "..", secret.Name(strings.Repeat("ü", 256)), secret.Name(strings.Repeat("/", 512)), secret.Name(strings.Repeat("x", 512))} {
		for _, blob := range []string{"1", "2"} {
			p := d.Path("s", name, []byte(blob))
			if seen[p] || filepath.Dir(p) != "x" || len(filepath.Base(p)) > 255 {
				t.Errorf("%q is kept in %q", name, p)
			}
			seen[p] = true
		}
	}
}
