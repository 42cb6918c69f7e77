package attack

import (
	"bytes"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPromisesHaveTests: each test that the page of promises and that of faults in moves name
// is there.
func TestPromisesHaveTests(t *testing.T) {
	t.Parallel()
	missing := map[string]string{} // the page, by the test's name
	for file, least := range map[string]int{"docs/promises.md": 20, "docs/migrating-faults.md": 10} {
		page, err := os.ReadFile("../../" + file)
		must(t, err)
		named := regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(page), -1)
		if len(named) < least {
			t.Fatalf("%s names only %d tests", file, len(named))
		}
		for _, name := range named {
			missing[name] = file
		}
	}
	root := os.DirFS("../..")
	must(t, fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, path)
		for name := range missing {
			if bytes.Contains(text, []byte("func "+name+"(")) {
				delete(missing, name)
			}
		}
		return err
	}))
	for name, file := range missing {
		t.Errorf("%s names %s, which is nowhere", file, name)
	}
}
