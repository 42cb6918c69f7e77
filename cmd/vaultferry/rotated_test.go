package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// TestRotatedMeanwhile: Vault keeps ten versions of a secret. What it has pushed out
// since a move stands at the target still, and is no version of somebody else; neither is
// one whose value was destroyed at the source. The delta brings what came since, the verification finds nothing, and so does the way back.
func TestRotatedMeanwhile(t *testing.T) {
	t.Parallel()
	server, dir := vaulttest.Shared(t), t.TempDir()
	client, mount := server.Client(t, vaulttest.RootToken), server.NewMount(t)
	stores := fmt.Sprintf("  - { name: old, backend: hashivault, hashivault: { address: %q, mount: %s, token: { file: vault.token } } }\n", server.Address, mount)
	stores += "  - { name: new, backend: bolt, bolt: { path: new.db } }\n"
	for name, text := range map[string]string{"vaultferry.yaml": commonConfig + stores, "vault.token": vaulttest.RootToken} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	do := func(code int, input string, args ...string) string {
		t.Helper()
		a, out, errOut := testApp(strings.NewReader(input))
		if got := a.run(t.Context(), append(args, "--config", filepath.Join(dir, "vaultferry.yaml"))); got != code {
			t.Fatalf("%q: exit code %d, want %d: %s%s", args, got, code, out, errOut)
		}
		return out.String()
	}
	file := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, value string) {
		t.Helper()
		if _, err := client.KVv2(mount).Put(t.Context(), name, map[string]any{"value": value}); err != nil {
			t.Fatal(err)
		}
	}
	written := 0
	rotate := func(times int) {
		t.Helper()
		for range times {
			written++
			put("rotated", fmt.Sprint("value ", written))
		}
	}
	do(exitDone, "", "keys", "new", "--output-file", file("keyring.json"))
	rotate(12)
	for i := range 3 {
		put("destroyed", fmt.Sprint(i))
	}
	move := func(plan, from, to, want string) {
		t.Helper()
		if out := do(exitDone, "", "migrate", "plan", "--from", from, "--to", to, "--output-file", file(plan)); !strings.Contains(out, want) {
			t.Fatalf("%s: planned: %s, want %s", plan, out, want)
		}
		do(exitDone, "", "migrate", "rehearse", file(plan))
		do(exitDone, "", "migrate", "run", file(plan))
		do(exitDone, "", "migrate", "verify", file(plan))
	}
	move("first", "old", "new", "create      2")
	rotate(3)
	if err := client.KVv2(mount).Destroy(t.Context(), "destroyed", []int{2}); err != nil {
		t.Fatal(err)
	}
	put("destroyed", "4")
	move("delta", "old", "new", "append      2")
	values := func(store string) (all []string) {
		for line := range strings.Lines(do(exitDone, "", "versions", store, "rotated")) {
			if n := strings.Fields(line)[0]; n != "VERSION" {
				all = append(all, do(exitDone, "", "get", store, "rotated", "--version", n))
			}
		}
		slices.Sort(all)
		return all
	}
	if got := values("new"); len(got) != 13 {
		t.Errorf("after the delta the target has %q", got)
	}
	if got := do(exitDone, "", "get", "new", "rotated"); got != "value 15" {
		t.Errorf("after the delta the current value is %q", got)
	}

	// Nothing else is to be done, and nothing is left out.
	move("nothing", "old", "new", "changed     2")

	// The way back. What has no value at its target any more is told.
	do(exitDone, "back", "set", "new", "rotated")
	if out := do(exitFailed, "", "migrate", "plan", "--from", "new", "--to", "old", "--output-file", file("told")); !strings.Contains(out, "destroyed: conflict: a version has no value at the target any more\n") {
		t.Errorf("back, beside a version that was destroyed: %s", out)
	}
	move("back", "new/rotated", "old", "append      1")
	if got := do(exitDone, "", "get", "new", "destroyed"); got != "4" {
		t.Errorf("the current value of what lost one is %q", got)
	}
	if got := do(exitDone, "", "get", "old", "rotated"); got != "back" {
		t.Errorf("after the way back the current value is %q", got)
	}
	if got := values("old"); len(got) != 11 || slices.Contains(got, "value 5") {
		t.Errorf("after the way back the source has %q", got)
	}

	// A version that somebody else wrote is one, still.
	do(exitDone, "foreign", "set", "new", "rotated")
	rotate(1)
	if out := do(exitFailed, "", "migrate", "plan", "--from", "old/rotated", "--to", "new", "--output-file", file("foreign")); !strings.Contains(out, "the target has versions that the source does not have") {
		t.Errorf("beside a version of somebody else: %s", out)
	}
}
