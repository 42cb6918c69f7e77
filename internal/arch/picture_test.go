package arch

import (
	"html"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	dotLabel = regexp.MustCompile(`\[?label="([^"]+)"`)
	folder   = regexp.MustCompile(`^[a-z]+(/[a-z0-9]+)+$`)
)

// TestPicture: the picture is drawn of its source, and names no folder that is
// not there. `make picture` draws it.
func TestPicture(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../docs/architecture.dot")
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile("../../docs/architecture.svg")
	if err != nil {
		t.Fatal(err)
	}
	labels := dotLabel.FindAllStringSubmatch(string(source), -1)
	if len(labels) < 10 {
		t.Fatalf("only %d labels found", len(labels))
	}
	for _, l := range labels {
		for i, line := range strings.Split(l[1], `\n`) {
			if !strings.Contains(html.UnescapeString(string(picture)), ">"+line+"<") {
				t.Errorf("the picture lacks %q: make picture", line)
			}
			if i > 0 || !folder.MatchString(line) {
				continue
			}
			if _, err := os.Stat("../../" + line); err != nil {
				t.Errorf("the picture shows a package that is not there: %v", err)
			}
		}
	}
}
