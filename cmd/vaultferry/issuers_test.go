package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/issuertest"
)

// TestCheckIssuers: check tells of files that are missing, and with --connect of
// issuers that do not answer.
func TestCheckIssuers(t *testing.T) {
	t.Parallel()
	of := issuertest.New(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "vaultferry.yaml")
	write := func(issuer, client string) {
		t.Helper()
		text := fmt.Sprintf(`
server: { tls: { off: true } }
control: { socket: "" }
login: { host: login.vault.localhost }
stores: [ { name: main, backend: memory } ]
dialects: { azure: { routes: [ { host: main.vault.localhost, store: main } ] } }
issuers: [ { name: corp, issuer: %q, %s } ]
callers: [ { name: app, client: { id: app%s }, identities: [ { issuer: corp, bound_subject: app } ] } ]
policy: [ { callers: [app], allow: [get], stores: [main], names: ['*'] } ]
`, of.URL, issuer, client)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(args ...string) (int, string) {
		a, out, _ := testApp(nil)
		code := a.run(t.Context(), append([]string{"check", "--config", file}, args...))
		return code, out.String()
	}
	write(fmt.Sprintf("ca_file: %q", of.CAFile), "")
	a, _, errOut := testApp(nil)
	if code := a.run(t.Context(), []string{"keys", "new", "--output-file", filepath.Join(dir, "keyring.json")}); code != 0 {
		t.Fatal(errOut)
	}
	if code, out := check("--connect"); code != 0 || strings.Contains(out, "issuers") {
		t.Errorf("%d: %s", code, out)
	}
	of.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	if code, out := check("--connect"); code != 0 || !strings.Contains(out, "issuers[0]") || !strings.Contains(out, "answers 418") {
		t.Errorf("an issuer that does not answer: %d: %s", code, out)
	}
	if code, out := check(); code != 0 || strings.Contains(out, "issuers[0]") {
		t.Errorf("without --connect: %d: %s", code, out)
	}
	write("jwks_file: none.json", ", keys: [ { file: none.pem } ]")
	if code, out := check(); code != exitUsage || !strings.Contains(out, "issuer corp: ") || !strings.Contains(out, "callers[0].client.keys") {
		t.Errorf("files that are missing: %d: %s", code, out)
	}
	write(fmt.Sprintf("ca_file: %q", of.CAFile), fmt.Sprintf(", keys: [ { file: %q }, { file: %q } ]", of.CAFile, of.CAFile))
	if code, out := check(); code != exitUsage || !strings.Contains(out, "holds the same key as an earlier file") {
		t.Errorf("a key twice: %d: %s", code, out)
	}
}
