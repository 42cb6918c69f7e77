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
	"github.com/vaultferry/vaultferry/secret"
)

// TestCheckRetention: what clients are told of a vault's retention is what the
// vault says, or there is a warning.
func TestCheckRetention(t *testing.T) {
	t.Parallel()
	vault := memory.New(memory.Options{})
	cloud := gatewaytest.New(t, gatewaytest.Options{
		Stores: []gateway.Store{{Name: "main", Kind: "memory", Backend: vault, RetentionDays: 14}},
		Azure:  []azure.Route{{Host: "localhost", Store: "main"}},
	})
	dir := filepath.Join(t.TempDir(), "gw")
	run := func(args ...string) (string, int) {
		a, out, errOut := testApp(strings.NewReader(""))
		code := a.run(t.Context(), append(args, "--config", filepath.Join(dir, "vaultferry.yaml")))
		return out.String() + errOut.String(), code
	}
	if said, code := run("init", dir); code != exitDone {
		t.Fatal(said)
	}
	ca, tokenFile := filepath.Join(dir, "cloud.pem"), filepath.Join(dir, "token")
	for file, content := range map[string]string{ca: string(cloud.CAPEM), tokenFile: cloud.Token} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, port, _ := net.SplitHostPort(cloud.Address)
	write := func(days string) {
		t.Helper()
		conf := fmt.Sprintf(`server: { tls: { cert_file: cert.pem, key_file: key.pem } }
stores:
  - name: kv
    backend: azurekv
    %s
    azurekv: { vault_url: "https://localhost:%s", ca_file: cloud.pem, disable_challenge_verification: true, credential: { kind: token, token_file: token } }
`, days, port)
		if err := os.WriteFile(filepath.Join(dir, "vaultferry.yaml"), []byte(conf), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const said = "stores[0].retention_days: the product keeps deleted secrets for 14 days"
	check := func(what string, warned bool) {
		t.Helper()
		out, code := run("check", "--connect")
		if code != exitDone || strings.Contains(out, said) != warned || !strings.Contains(out, "kv (azurekv) reached") {
			t.Errorf("%s: exit code %d, %s", what, code, out)
		}
	}
	write("")
	check("an empty vault tells nothing", false)
	if _, err := vault.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")}); err != nil {
		t.Fatal(err)
	}
	check("the default is not what the vault does", true)
	write("retention_days: 14")
	check("the same", false)
	write("retention_days: 30")
	check("another", true)
}
