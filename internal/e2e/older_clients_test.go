package e2e

import (
	"bytes"
	"context"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vaultferry/vaultferry/internal/sdktest"
)

// TestOlderGoClients runs the clients in test/sdk/go, a module of its own: what
// is no longer made does not come near the program. Those for JavaScript run in
// TestOtherSDKs.
func TestOlderGoClients(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(sdktest.Folder, "go")
	ctx, cancel := context.WithTimeout(t.Context(), sdkTime)
	defer cancel()
	goTool := func(args ...string) error {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = dir
		return cmd.Run()
	}
	if goTool("mod", "download") != nil {
		sdktest.Missing(t, "the modules of "+dir)
	}
	tests := filepath.Join(t.TempDir(), "older.test")
	if err := goTool("test", "-c", "-o", tests, "."); err != nil {
		t.Fatalf("%s: %v; see `go vet` there", dir, err)
	}
	w := newSDKWorld(t, "memory")
	cmd := exec.CommandContext(ctx, tests, "-test.v")
	cmd.Env = w.env(t)
	out, err := cmd.CombinedOutput()
	if ran := bytes.Count(out, []byte("\n--- PASS: ")); err != nil || ran < 4 {
		t.Fatalf("%d tests passed: %v\n%s", ran, err, w.redact(string(out)))
	}
}
