package release

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestGoInstall: go install of a tag makes a program that tells the tag. The
// repository of this commit, with a tag, stands in for the public one.
func TestGoInstall(t *testing.T) {
	t.Parallel()
	const module, tag = "github.com/vaultferry/vaultferry", "v0.999.0"
	dir := t.TempDir()
	repository, bin := filepath.Join(dir, "repository"), filepath.Join(dir, "bin")
	run(t, "git", "clone", "--quiet", "../..", repository)
	run(t, "git", "-C", repository, "-c", "user.name=test", "-c", "user.email=test@example.com", "tag", tag)
	install := exec.CommandContext(t.Context(), "go", "install", module+"/cmd/vaultferry@"+tag)
	install.Dir = dir
	// -trimpath, as the release has it, so that little is compiled again.
	install.Env = append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-trimpath -modcacherw", "GOWORK=off", "CGO_ENABLED=0", "GOPRIVATE="+module,
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+repository+".insteadOf", "GIT_CONFIG_VALUE_0=https://"+module)
	cache := strings.TrimSpace(run(t, "go", "env", "GOMODCACHE"))
	t.Cleanup(func() { // what nobody else may take for a release
		for _, made := range []string{module + "@" + tag, "cache/download/" + module} {
			if err := os.RemoveAll(filepath.Join(cache, made)); err != nil {
				t.Error(err)
			}
		}
	})
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if said := run(t, filepath.Join(bin, "vaultferry"), "version"); !strings.HasPrefix(said, "vaultferry "+tag+" ") {
		t.Errorf("it calls itself %s", said)
	}
}

// TestInventory: each list of modules names what the program of its system is made
// of, with versions and licences.
func TestInventory(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(*dist, "*.cdx.json"))
	if err != nil || len(files) != 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var bom struct {
			BOMFormat string `json:"bomFormat"`
			Metadata  struct {
				Component struct{ Name, Version string }
			}
			Components []struct {
				Name, Version string
				Evidence      struct{ Licenses []any }
				Licenses      []any
			}
		}
		if err := json.Unmarshal(content, &bom); err != nil {
			t.Fatal(file, err)
		}
		if bom.BOMFormat != "CycloneDX" || bom.Metadata.Component.Name != "github.com/vaultferry/vaultferry" || bom.Metadata.Component.Version != version(t) {
			t.Errorf("%s is of %+v", file, bom.Metadata)
		}
		licensed, seen := 0, map[string]bool{}
		for _, c := range bom.Components {
			seen[c.Name] = c.Version != ""
			if len(c.Licenses)+len(c.Evidence.Licenses) > 0 {
				licensed++
			}
		}
		for _, module := range []string{"std", "go.etcd.io/bbolt", "github.com/jackc/pgx/v5", "github.com/spf13/cobra"} {
			if !seen[module] {
				t.Errorf("%s has no %s", file, module)
			}
		}
		if licensed*10 < len(bom.Components)*9 {
			t.Errorf("%s tells the licences of %d of %d", file, licensed, len(bom.Components))
		}
	}
}
