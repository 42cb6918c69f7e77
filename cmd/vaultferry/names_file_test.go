package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestNamesFile: what --error-file writes --names-file reads, whatever the names.
func TestNamesFile(t *testing.T) {
	t.Parallel()
	for _, names := range [][]secret.Name{
		{"a"},
		{"\ufeffmarked", "plain"},
		{"plain", "\ufeffmarked"},
		{" spaces ", "a,b", `"quoted"`, "ümlaut/日本", "line\u2028separator", "\u00a0"},
		{secret.Name(strings.Repeat("n", secret.MaxName))},
	} {
		file := errorFile{path: filepath.Join(t.TempDir(), "names")}
		for _, n := range names {
			file.add(n)
		}
		if err := file.write(); err != nil {
			t.Fatal(err)
		}
		got, err := (&namesFile{file.path}).read(nil)
		if err != nil || !slices.Equal(got, names) {
			t.Errorf("%q became %q: %v", names, got, err)
		}
	}
}
