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
	w, g := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if lineAt(w, i) != lineAt(g, i) {
			t.Errorf("%s is stale; make golden writes it anew. Line %d is now\n%s\nand was\n%s", path, i+1, lineAt(g, i), lineAt(w, i))
			return
		}
	}
}

// lineAt is line i, or nothing that a line can be.
func lineAt(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(no line\n)"
}
