package huawei

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// TestActions: what the audit of the golden exchanges says an operation needs
// is what it is listed with, and nothing is listed that does not exist.
func TestActions(t *testing.T) {
	t.Parallel()
	served := map[string]bool{}
	for _, o := range operations() {
		served[via+"."+o.op] = o.handle != nil
	}
	for op := range actions {
		if !served[op] {
			t.Errorf("%s is not served", op)
		}
	}
	files, err := filepath.Glob("testdata/golden/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("there is no golden file")
	}
	seen := map[string]bool{}
	line := regexp.MustCompile(`(?m)^outcome (huawei\.\w+) caller="[^"]+" action=(\w+) `)
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllSubmatch(text, -1) {
			op, action := string(m[1]), access.Action(m[2])
			if seen[op] = true; actions[op] != action && action != access.Purge { // a purge has a line of its own within a deletion
				t.Errorf("%s: %s is audited with %q and listed with %q", f, op, action, actions[op])
			}
		}
	}
	for op := range actions {
		if !seen[op] && op != via+".BatchDeleteSecrets" { // which deletes nothing here
			t.Errorf("no golden exchange shows what %s needs", op)
		}
	}
}
