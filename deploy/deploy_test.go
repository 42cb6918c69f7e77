// Package deploy holds what a release is packed with. This test keeps its parts
// fitting; `make release-test` tries what comes out.
package deploy

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestScripts: a shell reads every script.
func TestScripts(t *testing.T) {
	t.Parallel()
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".sh" {
			return err
		}
		seen++
		interpreter := strings.Fields(strings.SplitN(read(t, path), "\n", 2)[0])
		if out, err := exec.CommandContext(t.Context(), filepath.Base(interpreter[len(interpreter)-1]), "-n", path).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", path, err, out)
		}
		return nil
	})
	if err != nil || seen < 5 {
		t.Fatal(seen, err)
	}
}

// TestPackage: the packages name scripts that are there, and the folders that
// the unit may write.
func TestPackage(t *testing.T) {
	t.Parallel()
	type content struct {
		Dst  string `yaml:"dst"`
		Type string `yaml:"type"`
	}
	var p struct {
		Contents []content         `yaml:"contents"`
		Scripts  map[string]string `yaml:"scripts"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "package/nfpm.yaml")), &p); err != nil {
		t.Fatal(err)
	}
	for _, script := range p.Scripts {
		if _, err := os.Stat(filepath.Join("..", script)); err != nil {
			t.Error(err)
		}
	}
	for _, dir := range []string{"/etc/vaultferry", "/var/lib/vaultferry"} {
		if !slices.ContainsFunc(p.Contents, func(c content) bool { return c.Dst == dir && c.Type == "dir" }) {
			t.Errorf("the package makes no %s", dir)
		}
	}
	unit := read(t, "../examples/vaultferry.service")
	for _, line := range []string{"StateDirectory=vaultferry\n", "User=vaultferry\n", "ExecStart=/usr/local/bin/vaultferry "} {
		if !strings.Contains(unit, line) {
			t.Errorf("the unit that is packed has no %q", line)
		}
	}
}

var (
	makes  = regexp.MustCompile(`make ([a-z -]+)`)
	target = regexp.MustCompile(`(?m)^([a-z-]+):`)
)

// TestWorkflows: what a public CI runs is here to be run.
func TestWorkflows(t *testing.T) {
	t.Parallel()
	targets := map[string]bool{}
	for _, m := range target.FindAllStringSubmatch(read(t, "../Makefile"), -1) {
		targets[m[1]] = true
	}
	files, err := filepath.Glob("../.github/workflows/*.yml")
	if err != nil || len(files) != 3 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		var w struct {
			Permissions map[string]string `yaml:"permissions"`
			Jobs        map[string]struct {
				Steps []struct {
					Run  string `yaml:"run"`
					Uses string `yaml:"uses"`
				} `yaml:"steps"`
			} `yaml:"jobs"`
		}
		if err := yaml.Unmarshal([]byte(read(t, file)), &w); err != nil {
			t.Fatal(file, err)
		}
		if len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
			t.Errorf("%s may %v by default", file, w.Permissions)
		}
		for name, job := range w.Jobs {
			for _, step := range job.Steps {
				if (step.Run == "") == (step.Uses == "") {
					t.Errorf("%s, %s: a step that does nothing, or two things: %+v", file, name, step)
				}
				for _, m := range makes.FindAllStringSubmatch(step.Run, -1) {
					for want := range strings.FieldsSeq(m[1]) {
						if !targets[want] {
							t.Errorf("%s: there is no make %s", file, want)
						}
					}
				}
			}
		}
	}
}
