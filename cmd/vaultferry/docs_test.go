package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/pages"
)

// documents are what a reader is given beside the help.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	root := os.DirFS("../..")
	names := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"}
	for _, pattern := range []string{"docs/*.md", "docs/*/*.md"} {
		pages, err := fs.Glob(root, pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("%s: %v, %v", pattern, pages, err)
		}
		names = append(names, pages...)
	}
	for _, name := range names {
		b, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		docs[name] = string(b)
	}
	return docs
}

var (
	makeLine     = regexp.MustCompile(`(?m)(?:^|\| |&& )make ([a-z-]+)`)
	commandLine  = regexp.MustCompile(`(?m)(?:^|\| |&& )vaultferry ((?:[a-z]+ )?[a-z]+)`)
	relativeLink = regexp.MustCompile(`\]\(([^):#]*)(?:#([^)]+))?\)`)
	punctuation  = regexp.MustCompile("[^a-z0-9_ -]")
)

// TestDocuments: the commands and targets that they tell to type exist, and so does what they
// link to.
func TestDocuments(t *testing.T) {
	t.Parallel()
	a, _, _ := testApp(nil)
	root := a.root()
	root.InitDefaultCompletionCmd() // which cobra adds when it runs
	seen := 0
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range documents(t) {
		for _, m := range makeLine.FindAllStringSubmatch(code(text), -1) {
			seen++
			if !strings.Contains(string(makefile), "\n.PHONY: "+m[1]+"\n") {
				t.Errorf("%s: there is no target %q", name, m[1])
			}
		}
		for _, m := range commandLine.FindAllStringSubmatch(code(text), -1) {
			seen++
			words := strings.Fields(m[1])
			if cmd, _, err := root.Find(words); words[0] != "help" && (err != nil || cmd.Name() == "vaultferry") {
				t.Errorf("%s: there is no command %q", name, m[1])
			}
		}
		for _, m := range relativeLink.FindAllStringSubmatch(text, -1) {
			seen++
			target := filepath.Join("../..", filepath.Dir(name), m[1])
			if m[1] == "" {
				target = filepath.Join("../..", name)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: dead link: %s", name, m[1])
			} else if m[2] != "" && !hasHeading(t, target, m[2]) {
				t.Errorf("%s: dead anchor: %s#%s", name, m[1], m[2])
			}
		}
	}
	if seen < 40 {
		t.Errorf("only %d commands and links were found", seen)
	}
}

// code is what stands in blocks and between backticks, each on its own line.
func code(text string) string {
	all := pages.Spans(text)
	for _, b := range pages.Blocks(text) {
		all = append(all, b.Text)
	}
	return strings.Join(all, "\n")
}

func hasHeading(t *testing.T, file, anchor string) bool {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if ok && line[0] == '#' && strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-") == anchor {
			return true
		}
	}
	return false
}

// TestAuditByHand: the lines of Python in the documents tell a whole audit
// from one that was changed, and go on after a line that a crash cut short.
func TestAuditByHand(t *testing.T) {
	t.Parallel()
	python := "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	script, ok := pages.First(documents(t)["docs/audit-verify.md"], "python")
	if !ok {
		t.Fatal("no block of Python was found")
	}
	whole := auditOf(t, "")
	torn := auditOf(t, `{"v":1,"chain":"`)
	lines := bytes.SplitAfter(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n"))
	for what, tt := range map[string]struct {
		file []byte
		want string
	}{
		"whole":   {whole, "4 lines, unbroken"},
		"torn":    {torn, "line 4: cut short"},
		"empty":   {nil, "0 lines, unbroken"},
		"changed": {bytes.Replace(whole, []byte(`"op":"cli.list"`), []byte(`"op":"cli.show"`), 1), "line 2: the chain is broken before it"},
		"removed": {bytes.Join([][]byte{lines[0], lines[2], lines[3]}, nil), "line 2: the chain is broken before it"},
		"first":   {bytes.Join(lines[1:], nil), "line 1: the chain is broken before it"},
		"swapped": {bytes.Join([][]byte{lines[0], lines[2], lines[1]}, nil), "line 2: the chain is broken before it"},
	} {
		file := filepath.Join(t.TempDir(), "audit.jsonl")
		if err := os.WriteFile(file, tt.file, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), python, "-c", script, file).CombinedOutput()
		if !strings.Contains(string(out), tt.want) || (err != nil) != strings.Contains(tt.want, "broken before") {
			t.Errorf("%s: %v: %s", what, err, out)
		}
	}
}

// auditOf is the audit of four calls. Before the last one stands what a crash
// left of a line.
func auditOf(t *testing.T, left string) []byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "gateway")
	file := filepath.Join(dir, "audit.jsonl")
	run := func(args ...string) {
		t.Helper()
		a, _, errOut := testApp(nil)
		if code := a.run(t.Context(), args); code != exitDone {
			t.Fatalf("%v: exit code %d: %s", args, code, errOut)
		}
	}
	run("init", dir)
	for i := range 4 {
		if i == 3 {
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_APPEND, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteString(left)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
		run("list", "main", "--config", filepath.Join(dir, "vaultferry.yaml"))
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
