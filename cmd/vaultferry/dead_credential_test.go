package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// TestDeadCredential: commands of many names stop at the first proof that the
// token is dead, say so, and count what they did not try. A name that is denied
// stops nothing.
func TestDeadCredential(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gw")
	server := vaulttest.Start(t)
	native := server.Client(t, vaulttest.RootToken)
	policy := server.Policy(t, `path "secret/data/one" { capabilities = ["read"] }
path "secret/metadata/one" { capabilities = ["read"] }
path "secret/data/two" { capabilities = ["read"] }
path "secret/metadata/two" { capabilities = ["read"] }`)
	for _, name := range []string{"one", "two"} {
		if _, err := native.Logical().Write("secret/data/"+name, map[string]any{"data": map[string]any{"value": "hush"}}); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(token string, args ...string) (int, string, string) {
		t.Helper()
		if err := os.WriteFile(tokenFile(dir), []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		a, out, errOut := testApp(strings.NewReader("hush"))
		code := a.run(t.Context(), append(args, "--config", filepath.Join(dir, "vaultferry.yaml")))
		return code, out.String(), errOut.String()
	}
	a, _, errOut := testApp(nil)
	if code := a.run(t.Context(), []string{"init", dir}); code != exitDone {
		t.Fatal(errOut)
	}
	addVault(t, dir, server.Address)

	lives := server.Token(t, policy)
	file := func(name string) string { return filepath.Join(dir, name+".backup") }
	if code, _, said := ask(lives, "backup", "cloud", "one", "--output-file", file("one")); code != exitDone {
		t.Fatal(said)
	}
	t.Chdir(dir)
	code, out, said := ask(lives, "backup", "cloud", "denied", "two", "--output", "json")
	if code != exitFailed || results(t, out) != "failed, done" {
		t.Errorf("one name denied: %d: %s%s", code, out, said)
	}
	if strings.Contains(said, "dead") || strings.Contains(said, "not tried") {
		t.Errorf("one name denied: %s", said)
	}

	dies := server.Token(t, policy)
	if err := native.Auth().Token().RevokeTree(dies); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"failed, not tried, not tried": {"backup", "cloud", "one", "two", "three", "--output", "json"},
		"failed, not tried":            {"restore", "cloud", file("one"), file("one"), "--output", "json"},
	} {
		code, out, said := ask(dies, args...)
		if code != exitCredential || results(t, out) != want {
			t.Errorf("%q: exit code %d: %s", args, code, out)
		}
		if n := strings.Count(want, "not tried"); !strings.Contains(said, fmt.Sprintf("not tried: %d", n)) || !strings.Contains(said, "credential is dead") || strings.Contains(said, dies) {
			t.Errorf("%q: %s", args, said)
		}
	}
	for _, args := range [][]string{
		{"list", "cloud"},
		{"show", "cloud", "one"},
		{"get", "cloud", "one"},
		{"versions", "cloud", "one"},
		{"set", "cloud", "one"},
		{"delete", "cloud", "one"},
		{"recover", "cloud", "one"},
		{"sweep", "cloud"},
	} {
		if code, _, said := ask(dies, args...); code != exitCredential || !strings.Contains(said, "credential is dead") {
			t.Errorf("%q: exit code %d: %s", args, code, said)
		}
	}
}

func tokenFile(dir string) string { return filepath.Join(dir, "vault.token") }

// addVault adds the store "cloud" to a configuration.
func addVault(t *testing.T, dir, address string) {
	t.Helper()
	path := filepath.Join(dir, "vaultferry.yaml")
	conf, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	store := fmt.Sprintf("  - { name: cloud, backend: hashivault, hashivault: { address: %q, mount: secret, token: { file: vault.token } } }\n", address)
	text := strings.Replace(string(conf), "\ndialects:", "\n"+store+"dialects:", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// results are those of a report, in order.
func results(t *testing.T, out string) string {
	t.Helper()
	var reports []struct{ Result string }
	if err := json.Unmarshal([]byte(out), &reports); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var all []string
	for _, r := range reports {
		all = append(all, r.Result)
	}
	return strings.Join(all, ", ")
}
