package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manDir is where the pages are left, for packages.
var manDir = flag.String("man", "", "the folder that TestManPages writes the manual pages into")

// writeManPages writes a page for each command. They are made of what the help
// says, and are in no program: whoever packs one asks this test for them. Their
// date is SOURCE_DATE_EPOCH.
func writeManPages(t *testing.T, root *cobra.Command, dir string) {
	t.Helper()
	root.DisableAutoGenTag = true
	unmarkedDown(root)
	header := &doc.GenManHeader{Section: "1", Source: "vaultferry", Manual: "vaultferry"}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
}

// unmarkedDown keeps the help from being read as Markdown, which it is not.
func unmarkedDown(cmd *cobra.Command) {
	escape := strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "`", "\\`", "#", `\#`, "|", `\|`).Replace
	cmd.Long = escape(cmd.Long)
	for _, c := range cmd.Commands() {
		unmarkedDown(c)
	}
}

// TestManPages: every command has a page that man reads without a complaint.
func TestManPages(t *testing.T) {
	t.Parallel()
	a, _, _ := testApp(nil)
	dir := *manDir
	if dir == "" {
		dir = t.TempDir()
	}
	writeManPages(t, a.root(), dir)
	pages, err := filepath.Glob(filepath.Join(dir, "vaultferry*.1"))
	if err != nil || len(pages) < 40 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	man, err := exec.LookPath("man")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip("man is not here")
	}
	// cobra's own pages are about cobra's words.
	pages = slices.DeleteFunc(pages, func(page string) bool { return strings.Contains(page, "completion") })
	cmd := exec.CommandContext(t.Context(), man, append([]string{"--warnings", "--local-file"}, pages...)...)
	cmd.Env = append(os.Environ(), "MANWIDTH=100", "LC_ALL=C.UTF-8")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil || complaints.Len() > 0 {
		t.Errorf("%v: %s", err, complaints.String())
	}
	if n := strings.Count(string(out), "SYNOPSIS"); n != len(pages) {
		t.Errorf("%d of %d pages are shown", n, len(pages))
	}
}
