package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// TestOneKindTwoProducts: the kind hashivault is two products. Plans, inventories and
// snapshots name the one that the store is in, so that a rehearsal and a drill imitate
// that one: KV v1 holds one version.
func TestOneKindTwoProducts(t *testing.T) {
	t.Parallel()
	server, dir := vaulttest.Shared(t), t.TempDir()
	stores := "  - { name: old, backend: bolt, bolt: { path: old.db } }\n"
	for name, mount := range map[string]string{"v1": server.NewMountV1(t), "v2": server.NewMount(t)} {
		stores += fmt.Sprintf("  - { name: %s, backend: hashivault, hashivault: { address: %q, mount: %s, token: { file: vault.token } } }\n", name, server.Address, mount)
	}
	stores += "  - { name: like-v1, backend: memory, memory: { as: hashivault-v1 } }\n"
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
	do(exitDone, "", "keys", "new", "--output-file", file("keyring.json"))
	for _, value := range []string{"one", "two"} {
		do(exitDone, value, "set", "old", "several")
	}
	do(exitDone, "", "snapshot", "init", "--repo", file("repo"))
	for store, product := range map[string]string{"v1": "hashivault-v1", "v2": "hashivault", "like-v1": "hashivault-v1"} {
		plan := file(store + ".plan")
		do(exitDone, "", "migrate", "plan", "--from", "old", "--to", store, "--on-loss", "accept", "--output-file", plan)
		want := ", as if into " + product + ": 1 would be moved of 1 planned\n1 would be the same, 0 would differ as foretold, 0 otherwise\n"
		if product == "hashivault-v1" {
			want = strings.Replace(want, "1 would be the same, 0 would", "0 would be the same, 1 would", 1)
		}
		if out := do(exitDone, "", "migrate", "rehearse", plan); !strings.Contains(out, want) {
			t.Errorf("%s: rehearsed: %s, want %s", store, out, want)
		}
		if store == "like-v1" { // it ends with each command
			continue
		}
		do(exitDone, "", "migrate", "run", plan)
		do(exitDone, "", "inventory", store, "--output-file", file(store+".inventory"))
		head, err := os.ReadFile(file(store + ".inventory"))
		if err != nil || !strings.Contains(string(head), `"product":"`+product+`"`) {
			t.Errorf("%s: the inventory does not say %s: %v", store, product, err)
		}
		do(exitDone, "", "snapshot", "create", store, "--repo", file("repo"))
		if out := do(exitDone, "", "snapshot", "drill", "--store", store, "--repo", file("repo")); !strings.Contains(out, ", as "+product+": 1 of 1 came back") {
			t.Errorf("%s: drilled: %s", store, out)
		}
	}
}
