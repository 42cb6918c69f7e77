// Package sdktest lets tests drive the vendor's SDKs for JavaScript and Python,
// which .ci/deps installs.
package sdktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Python is Debian's, which sees Debian's packages.
const Python = "/usr/bin/python3"

// What lies where, for the packages that are two folders below the module.
const (
	Folder  = "../../test/sdk"
	jsCache = "../../.cache/js"
)

// Need skips a test, or fails it in CI, where the SDK of the language ("js",
// "python") is not installed.
func Need(t *testing.T, language string) {
	t.Helper()
	switch language {
	case "js":
		want, err := os.ReadFile(filepath.Join(Folder, "js", "package-lock.json"))
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join(jsCache, "package-lock.json"))
		if _, missing := exec.LookPath("node"); missing != nil || err != nil || string(have) != string(want) {
			Missing(t, "node, or the packages of "+filepath.Join(Folder, "js"))
		}
	case "python":
		if exec.CommandContext(t.Context(), Python, "-c", "import azure.keyvault.secrets, azure.identity").Run() != nil {
			Missing(t, "python3-azure")
		}
	default:
		t.Fatalf("no SDK for %s", language)
	}
}

// Missing skips a test, or fails it in CI, for what it needs is not installed.
func Missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s: not installed", what)
	}
	t.Skipf("%s: not installed; run `make deps`", what)
}

// Copy copies the programs of a language to where the SDK is installed for them.
func Copy(t *testing.T, language string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(Folder, language))); err != nil {
		t.Fatal(err)
	}
	if language != "js" {
		return dir
	}
	modules, err := filepath.Abs(filepath.Join(jsCache, "node_modules"))
	if err == nil {
		err = os.Symlink(modules, filepath.Join(dir, "node_modules"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
