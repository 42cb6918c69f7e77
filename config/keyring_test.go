package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// keyringOf loads the least configuration with this keyring.
func keyringOf(t *testing.T, keyring string) (*Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vaultferry.yaml")
	if err := os.WriteFile(file, []byte("server: { tls: { off: true } }\nstores: [ { name: a, backend: memory } ]\n"+keyring), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := Load(file, testKinds())
	return c, err
}

// TestKeyringPlaces: the file is where nothing else is said; every other place is
// the only one, and its keys have variables, too.
func TestKeyringPlaces(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x")
	t.Setenv("VAULT_TOKEN_HERE", "x")
	transit := "keyring: { transit: { file: ring.sealed, address: 'https://vault.example', key: ring, token: { env: VAULT_TOKEN_HERE } } }"
	for text, want := range map[string]string{
		"":                                 "keyring.file keyring.json",
		"keyring: { require_proof: true }": "keyring.file keyring.json",
		"keyring: { file: /etc/ring }":     "keyring.file ring",
		"keyring: { credential: ring }":    "keyring.credential ring",
		"keyring: { env: RING }":           "keyring.env .",
		transit:                            "keyring.transit .",
	} {
		c, err := keyringOf(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Keyring.Key() + " " + filepath.Base(c.Keyring.PlainPath()); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	t.Setenv("VAULTFERRY_KEYRING_TRANSIT_KEY", "other")
	c, err := keyringOf(t, transit)
	if err != nil || c.Keyring.Transit.Key != "other" || c.Keyring.Transit.Mount != "transit" || !filepath.IsAbs(c.Keyring.Transit.File) {
		t.Errorf("%+v, %v", c, err)
	}
	t.Setenv("VAULTFERRY_KEYRING_TRANSIT_KEY", "")
	t.Setenv("VAULTFERRY_KEYRING_FILE", "elsewhere.json")
	if _, err := keyringOf(t, transit); err == nil || !strings.Contains(err.Error(), "keyring: it is in one place") {
		t.Errorf("a second place from the environment: %v", err)
	}
}

// TestKeyringInClear: Vault sends the keyring itself, so a way that others can listen on
// is warned of.
func TestKeyringInClear(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"https://vault.example:8200": false, "http://127.0.0.1:8200": false, "http://[::1]:8200": false, "http://localhost": false,
		"http://vault.example:8200": true, "http://vault.example": true, "http://10.0.0.1:8200": true, "HTTP://[2001:db8::1]": true,
	} {
		file := filepath.Join(t.TempDir(), "vaultferry.yaml")
		text := "server: { tls: { off: true } }\nstores: [ { name: a, backend: memory } ]\n" +
			"keyring: { transit: { file: ring.sealed, address: '" + address + "', key: ring, jwt: { role: x, token_file: y } } }\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, problems, err := Load(file, testKinds())
		if err != nil {
			t.Fatal(address, err)
		}
		warned := slices.ContainsFunc(problems, func(p Problem) bool {
			return p.Severity == Warning && p.Path == "keyring.transit.address" && strings.Contains(p.Message, "plain HTTP")
		})
		if warned != want {
			t.Errorf("%s: warned %v, %v", address, warned, problems)
		}
	}
}

// TestKeyringIsWatched: a credential and a sealed file are files of the
// configuration, so that a change of them is seen.
func TestKeyringIsWatched(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("VAULT_TOKEN_HERE", "x")
	at := filepath.Join(dir, "ring")
	for _, text := range []string{
		"keyring: { credential: ring }",
		"keyring: { transit: { file: " + at + ", address: 'https://vault.example', key: ring, token: { env: VAULT_TOKEN_HERE } } }",
	} {
		if err := os.WriteFile(at, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := keyringOf(t, text)
		if err != nil {
			t.Fatal(err)
		}
		was, known := c.Files()[at]
		if !known || LookAt(c.Files())[at] != was {
			t.Errorf("%s: it is not watched", text)
		}
		if err := os.WriteFile(at, []byte("y"), 0o600); err != nil {
			t.Fatal(err)
		}
		if LookAt(c.Files())[at] == was {
			t.Errorf("%s: a change is not seen", text)
		}
	}
}

// TestUnresolvedKeyring: a command that does without the keyring is not kept from its
// work by a secret that is not here; who needs the keyring is told.
func TestUnresolvedKeyring(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "vaultferry.yaml")
	text := "server: { tls: { off: true } }\nstores: [ { name: a, backend: memory } ]\n" +
		"keyring: { transit: { file: ring.sealed, address: 'https://vault.example', key: ring, token: { env: NOT_SET_ANYWHERE } } }\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(file, testKinds()); err == nil || !strings.Contains(err.Error(), "NOT_SET_ANYWHERE") {
		t.Errorf("a gateway that cannot open its keyring: %v", err)
	}
	c, _, err := LoadUnresolved(file, testKinds())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckKeyring(); err == nil || !strings.Contains(err.Error(), `keyring.transit.token: the environment variable "NOT_SET_ANYWHERE" is not set`) {
		t.Errorf("CheckKeyring: %v", err)
	}
}
