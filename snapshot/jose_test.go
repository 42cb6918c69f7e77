package snapshot_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/pages"
	"github.com/vaultferry/vaultferry/snapshot"
)

// TestStockTools does what docs/repository.md says, with Debian's jose and nothing
// of ours: two steps open a document.
func TestStockTools(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jose"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("jose is not installed; apt-get install -y jose")
	}
	page, err := os.ReadFile("../docs/repository.md")
	must(t, err)
	script, ok := pages.First(string(page), "sh")
	if !ok {
		t.Fatal("the page shows no commands")
	}
	w := newWorld(t)
	documents := documentsOf(t, w, w.take(t, "main", store{{"team/db", "value"}}))
	dir := t.TempDir()
	must(t, w.keys.Create(filepath.Join(dir, "keyring.json")))
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "REPO="+w.dir, "DOCUMENT="+documents["team/db"])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(dir, "document.json"))
	must(t, err)
	if !strings.Contains(string(got), `"value":{"text":"canary-value"}`) {
		t.Errorf("opened: %s", got)
	}
	if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
		t.Error(d)
	}
}
