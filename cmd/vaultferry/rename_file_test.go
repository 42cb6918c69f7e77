package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestReadRenames: renames are read as spreadsheets save them, and what could be read in
// two ways, or as other characters, is refused with what to do.
func TestReadRenames(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, refused string }{
		"comma":           {"a,b\ncafé,d\n", ""},
		"semicolon":       {"\ufeffa;b\r\ncafé;d\r\n", ""},
		"tab":             {"a\tb\ncafé\td\n", ""},
		"quotes, blanks":  {"\"a\";\"b\"\r\n\"café\";\"d\"\r\n\r\n\r\n", ""},
		"UTF-16":          {"\xff\xfea\x00;\x00b\x00\n\x00c\x00a\x00f\x00\xe9\x00;\x00d\x00\n\x00", ""},
		"Latin-1":         {"a;b\ncaf\xe9;d\n", "it is not UTF-8: save it as"},
		"two separators":  {"a,b\ncafé;d\n", "all split at commas, at semicolons or at tabs"},
		"three columns":   {"a;b;c\n", "all split at commas"},
		"twice":           {"a;b\na;d\n", `line 2: "a" is named twice`},
		"broken quotes":   {"\"a;b\n", "all split at commas"},
		"half a UTF-16":   {"\xff\xfea\x00;", "UTF-16"},
		"only one column": {"a\nb\n", "all split at commas"},
	} {
		file := filepath.Join(t.TempDir(), "names.csv")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readRenames(file)
		switch want := map[secret.Name]secret.Name{"a": "b", "café": "d"}; {
		case c.refused == "" && (err != nil || !maps.Equal(got, want)):
			t.Errorf("%s: %v, %v, want %v", name, got, err, want)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%s: %v, want %q", name, err, c.refused)
		}
	}
}
