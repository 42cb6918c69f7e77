// Package golden holds files that tests write: what a test finds out stands in
// the tree for people to read, and a test that finds out something else fails.
package golden

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what comes into the golden files")

// Updating reports whether the files are to be written and not compared.
func Updating() bool { return *update }

// Compare fails t unless the file holds got; with -update it is written.
func Compare(t testing.TB, path, got string) {
	t.Helper()
	if Updating() {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if line := firstDifference(string(want), got); line > 0 {
		t.Errorf("%s is stale from line %d on; make golden writes it anew. Now:\n%s", path, line, got)
	}
}

// firstDifference is the number of the first line that differs, or zero.
func firstDifference(want, got string) int {
	if want == got {
		return 0
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return i + 1
		}
	}
	return min(len(w), len(g)) + 1
}
