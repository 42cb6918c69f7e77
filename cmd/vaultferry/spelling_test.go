package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// TestSpelledNames: whoever writes a name that the target spells otherwise is
// told, before and after, in text and in JSON. The target is a Key Vault.
func TestSpelledNames(t *testing.T) {
	t.Parallel()
	cloud := gatewaytest.New(t, gatewaytest.Options{
		Stores: []gateway.Store{{Name: "main", Kind: "memory", Backend: memory.New(memory.Options{})}},
		Azure:  []azure.Route{{Host: "localhost", Store: "main"}},
	})
	dir := filepath.Join(t.TempDir(), "gw")
	run := func(in string, args ...string) string {
		t.Helper()
		a, out, errOut := testApp(strings.NewReader(in))
		if code := a.run(t.Context(), append(args, "--config", filepath.Join(dir, "vaultferry.yaml"))); code != exitDone {
			t.Fatalf("%q: %s", args, errOut)
		}
		return out.String()
	}
	run("", "init", dir)
	ca, tokenFile := filepath.Join(dir, "cloud.pem"), filepath.Join(dir, "token")
	for file, content := range map[string]string{ca: string(cloud.CAPEM), tokenFile: cloud.Token} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(cloud.Address)
	conf := fmt.Sprintf(`server: { tls: { cert_file: cert.pem, key_file: key.pem } }
stores:
  - name: kv
    backend: azurekv
    azurekv: { vault_url: "https://localhost:%s", ca_file: cloud.pem, disable_challenge_verification: true, credential: { kind: token, token_file: token } }
  - { name: main, backend: bolt, bolt: { path: main.db } }
dialects:
  azure: { routes: [{ host: "*.vault.localhost", store: main, prefix: "{1}/" }] }
  huawei: { routes: [{ project: "0123456789abcdef0123456789abcdef", store: kv }] }
`, port)
	if err := os.WriteFile(filepath.Join(dir, "vaultferry.yaml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	want := func(what, said string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(said, part) {
				t.Errorf("%s: no %q in %s", what, part, said)
			}
		}
	}
	inVault := "is x0-a1gnisjfdhm2sh32bso30c8 in Azure Key Vault"
	want("set --dry-run", run("x", "set", "kv", "Payroll.Db_001", "--dry-run"), "would create Payroll.Db_001", "the name "+inVault)
	run("x", "set", "kv", "Payroll.Db_001")
	run("x", "set", "kv", "plain")
	want("list", run("", "list", "kv"), "THE NAME", inVault)
	want("list", run("", "list", "kv", "--output", "json"), `"in": "product"`, `"name": "x0-a1gnisjfdhm2sh32bso30c8"`)
	want("list, case ignored", run("", "list", "kv", "payroll*"), "Payroll.Db_001")
	if said := run("", "list", "kv", "PLAIN"); !strings.Contains(said, "plain") {
		t.Errorf("the policy's patterns ignore case here: %s", said)
	}
	if said := run("", "list", "kv", "plain"); strings.Contains(said, "THE NAME") {
		t.Errorf("a name that is spelled as it is: %s", said)
	}
	want("show", run("", "show", "kv", "Payroll.Db_001"), inVault)

	// Clients of a dialect see the folder alone.
	run("x", "set", "main", "team-a/Db")
	want("a folder", run("", "show", "main", "team-a/Db"), "is x0-8hh0 in the azure dialect, folder team-a/")
	if said := run("", "show", "main", "team-a/Db", "--output", "json"); strings.Contains(said, `"product"`) {
		t.Errorf("bolt takes it as it is: %s", said)
	}
	file := filepath.Join(dir, "b")
	run("", "backup", "main", "team-a/Db", "--output-file", file)
	want("restore --dry-run", run("", "restore", "kv", file, "--dry-run"), "would restore team-a/Db", "is x0-ehim2r9dc4nk8og in the huawei dialect")
	want("restore", run("", "restore", "kv", file, "--output", "json"), `"spelled": [`, `"in": "huawei"`)

	// A plan shows what the target's product will call a secret, and what it cannot.
	long := strings.Repeat("long", 32)
	run("x", "set", "main", "late/Db_2")
	run("x", "set", "main", "late-plain")
	run("x", "set", "main", long)
	plan := filepath.Join(dir, "move.plan")
	a, out, errOut := testApp(nil)
	if code := a.run(t.Context(), []string{"migrate", "plan", "--from", "main/l*", "--to", "kv", "--output-file", plan, "--config", filepath.Join(dir, "vaultferry.yaml")}); code != exitFailed {
		t.Fatalf("exit code %d: %s%s", code, out, errOut)
	}
	want("plan", out.String(), "stays: "+long+": unmappable: ", "3 secrets of main, 2 to be written to kv")
	said := run("", "migrate", "show", plan, "--offline")
	want("show a plan", said, "create      late/Db_2 (spelled x0-dhgn8p9f8hh5ucg): 1 version\n", "create      late-plain: 1 version\n", "unmappable  "+long+": stays: ")
	want("show a plan", run("", "migrate", "show", plan, "--offline", "--output", "json"), `"spelled": "x0-dhgn8p9f8hh5ucg"`)
	run("", "migrate", "run", plan)
	want("what was moved", run("", "show", "kv", "late/Db_2"), "is x0-dhgn8p9f8hh5ucg in Azure Key Vault")
	want("one class", run("", "migrate", "show", plan, "--offline", "--class", "unmappable"), "unmappable  "+long)
}
