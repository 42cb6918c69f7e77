package main

import (
	"bytes"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/pages"
)

// TestTroubleshootingPage: each message that docs/troubleshooting.md quotes is one of
// the program's, as its sources or their tests have it. Between "..." stands what
// differs. Messages of other programs stand there without backticks.
func TestTroubleshootingPage(t *testing.T) {
	t.Parallel()
	missing := map[string]bool{}
	for line := range strings.Lines(documents(t)["docs/troubleshooting.md"]) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, message := range pages.Spans(cells[1]) {
			for _, part := range regexp.MustCompile(`\.\.\.|  `).Split(message, -1) {
				if part = strings.Trim(part, ", :"); part != "" {
					missing[part] = true
				}
			}
		}
	}
	if len(missing) < 40 {
		t.Fatalf("only %d parts of messages", len(missing))
	}
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.Name() == "troubleshooting_page_test.go", !strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".txt"):
			return nil
		}
		text, err := fs.ReadFile(root, path)
		text = bytes.ReplaceAll(text, []byte(`\"`), []byte(`"`))
		for part := range missing {
			if bytes.Contains(text, []byte(part)) {
				delete(missing, part)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for part := range missing {
		t.Errorf("docs/troubleshooting.md quotes %q, which the program does not say", part)
	}
}
