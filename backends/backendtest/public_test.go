package backendtest_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPublic: a module of others can run the suite over its own backend, and
// gets its report.
func TestPublic(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(t.TempDir(), "go.work")
	uses := fmt.Sprintf("go 1.26.0\n\nuse (\n\t%q\n\t%q\n)\n", filepath.Join(here, "testdata/thirdparty"), filepath.Join(here, "../.."))
	if err := os.WriteFile(work, []byte(uses), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-v", "./...")
	cmd.Dir = filepath.Join(here, "testdata/thirdparty")
	cmd.Env = append(os.Environ(), "GOWORK="+work, "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, line := range []string{"| ACME Secrets, imitated in memory |", "| text, bytes | 512 |", "| versions, of a secret | 6 |", "--- PASS: TestConformance/Importers", "| a key-value map |"} {
		if !strings.Contains(string(out), line) {
			t.Errorf("its output lacks %q", line)
		}
	}
}
