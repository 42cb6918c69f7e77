package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/vaultferry/vaultferry/internal/pages"
)

// TestReadmeInstalls: the three ways are those of the page that the tests of releases
// stand for.
func TestReadmeInstalls(t *testing.T) {
	t.Parallel()
	there := ""
	for _, b := range pages.Blocks(read(t, "../docs/install.md")) {
		there += "\n" + b.Text
	}
	ways := 0
	for _, b := range pages.Blocks(read(t, "../README.md")) {
		if b.Title != installing {
			continue
		}
		for line := range strings.Lines(b.Text) {
			command, _, _ := strings.Cut(line, "#")
			if !strings.Contains(there, "\n"+strings.TrimSpace(command)) {
				t.Errorf("docs/install.md does not have %q", command)
			}
			ways++
		}
	}
	if ways != 3 {
		t.Errorf("%d ways", ways)
	}
}

var (
	badge  = regexp.MustCompile(`!\[[^\]]*\]\((https?://[^)]*)\)`)
	module = regexp.MustCompile(`(?m)^module (\S+)$`)
)

// TestReadmeBadges: each is of a workflow in the repository, at the module's own address,
// and no other picture comes from elsewhere.
func TestReadmeBadges(t *testing.T) {
	t.Parallel()
	m := module.FindStringSubmatch(read(t, "../go.mod"))
	if m == nil {
		t.Fatal("go.mod names no module")
	}
	badges := badge.FindAllStringSubmatch(read(t, "../README.md"), -1)
	for _, b := range badges {
		file, ok := strings.CutPrefix(b[1], "https://"+m[1]+"/actions/workflows/")
		file, isBadge := strings.CutSuffix(file, "/badge.svg")
		if !ok || !isBadge {
			t.Errorf("%s is no badge of a workflow", b[1])
			continue
		}
		var workflow struct{ Name string }
		text, err := os.ReadFile(filepath.Join("../.github/workflows", file))
		if err == nil {
			err = yaml.Unmarshal(text, &workflow)
		}
		if err != nil || !strings.Contains(b[0], "["+workflow.Name+"]") {
			t.Errorf("%s: workflow %q, %v", b[0], workflow.Name, err)
		}
	}
	if len(badges) == 0 {
		t.Error("there are no badges")
	}
}

// TestReadmeFirstScreen: what it is, a picture, how to install it and how to try it stand
// on the first screen.
func TestReadmeFirstScreen(t *testing.T) {
	t.Parallel()
	text := read(t, "../README.md")
	_, rest, ok := strings.Cut(text, "\n## Quick start\n")
	before, _, _ := strings.Cut(rest, "\n## ")
	if lines := strings.Count(text, "\n") - strings.Count(rest, "\n") + strings.Count(before, "\n"); !ok || lines > 42 {
		t.Errorf("the quick start ends at line %d", lines)
	}
	started := 0
	for _, b := range pages.Blocks(text) {
		if b.Title == "Quick start" {
			started += strings.Count(b.Text, "\n")
		}
	}
	if started == 0 || started > 5 {
		t.Errorf("the quick start has %d lines", started)
	}
}
