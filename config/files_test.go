package config

import (
	"crypto/sha256"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFilesOfOthers: a configuration, or a secret, that anybody can write is
// not taken, nor one in a folder that anybody can write, nor through a link.
func TestFilesOfOthers(t *testing.T) {
	t.Parallel()
	const good = "server: { tls: { off: true } }\nstores: [ { name: a, backend: memory } ]\ncallers: [ { name: ci, tokens: [ { file: token } ] } ]\n"
	for _, open := range []string{"", "token", "gateway.yaml", "."} {
		dir := t.TempDir()
		for name, text := range map[string]string{"token": testSecret, "gateway.yaml": good} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		link := filepath.Join(dir, "link.yaml")
		if err := os.Symlink("gateway.yaml", link); err != nil {
			t.Fatal(err)
		}
		if open != "" {
			if err := os.Chmod(filepath.Join(dir, open), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{filepath.Join(dir, "gateway.yaml"), link} {
			_, _, err := Load(path, testKinds())
			if refused := err != nil && strings.Contains(err.Error(), "every user can write"); refused != (open != "") || !refused && err != nil {
				t.Errorf("%q open, at %s: %v", open, path, err)
			}
		}
	}
}

// TestFiles: a configuration knows what it was read from, through links, and tells
// stores apart by it.
func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("token", testSecret)
	write("other", "other "+testSecret)
	write("keyring.json", "{}")
	if err := os.Symlink("token", at("link")); err != nil {
		t.Fatal(err)
	}
	const text = `server: { tls: { off: true } }
stores: [ { name: a, backend: huaweicsms, huaweicsms: { endpoint: "https://kms.example.com", project_id: "0123456789abcdef0123456789abcdef", access_key: { id: AK, secret: { file: link } } } }, { name: b, backend: memory } ]
callers: [ { name: ci, tokens: [ { file: absent } ] } ]
`
	load := func(text string) *Config {
		t.Helper()
		write("gateway.yaml", text)
		c, _, err := LoadUnresolved(at("gateway.yaml"), testKinds())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := load(text)
	got := first.Files()
	for _, name := range []string{"gateway.yaml", "link", "absent", "keyring.json"} {
		if digest, ok := got[at(name)]; !ok || (digest == Digest{}) != (name == "absent") {
			t.Errorf("%s: %x, %v", name, digest, ok)
		}
	}
	for _, name := range []string{"audit.jsonl", "vaultferry.sock"} {
		if _, ok := got[at(name)]; ok {
			t.Errorf("%s is the gateway's own, and watched", name)
		}
	}
	write("gateway.yaml", "# a hand was quicker\n"+text)
	if first.Digest() != sha256.Sum256([]byte(text)) {
		t.Error("the digest is not of what was parsed")
	}
	write("gateway.yaml", text)
	if !maps.Equal(LookAt(got), got) {
		t.Error("nothing has changed, and a look finds something")
	}
	if err := errors.Join(os.Remove(at("link")), os.Symlink("other", at("link"))); err != nil {
		t.Fatal(err)
	}
	if maps.Equal(LookAt(got), got) {
		t.Error("a link leads elsewhere, and a look does not find it")
	}
	next := load(strings.Replace(text, "name: b,", "name: b, read_only: true,", 1))
	a, b := &first.Stores[0], &first.Stores[1]
	if a.SameSection(&next.Stores[0]) || !a.SameSettings(&next.Stores[0]) {
		t.Error("the credential of a store has changed")
	}
	if !b.SameSection(&next.Stores[1]) || b.SameSettings(&next.Stores[1]) {
		t.Error("a setting of a store has changed")
	}
}

// TestTrustAnchorsOfOthers: whoever may write what the gateway trusts others by
// makes callers, so a file that everybody can write is not taken, wherever it is
// named, and one that a group can write is told. The links of Kubernetes in its
// folder with the sticky bit are root's.
func TestTrustAnchorsOfOthers(t *testing.T) {
	t.Parallel()
	const form = `server: { tls: { cert_file: cert, key_file: key }, client_ca_file: clients }
keyring: { file: keyring }
issuers: [ { name: entra, issuer: "https://login.example/t/v2.0", jwks_file: jwks, audiences: ["https://vault.corp.example"] } ]
stores: [ { name: a, backend: huaweicsms, huaweicsms: { endpoint: "https://kms.example.com", project_id: "0123456789abcdef0123456789abcdef", extra_ca_file: product, access_key: { id: AK, secret: { file: token } } } } ]
callers: [ { name: ci, client: { id: ci, keys: [ { file: assertion } ] }, identities: [ { issuer: entra, bound_subject: s } ] } ]
`
	names := map[string]string{
		"cert": "server.tls.cert_file", "clients": "server.client_ca_file", "jwks": "issuers[0].jwks_file", "keyring": "keyring.file",
		"product": "stores[0].huaweicsms.extra_ca_file", "assertion": "callers[0].client.keys[0].file", "": "",
	}
	for name, key := range names {
		for _, mode := range []os.FileMode{0o666, 0o660, 0o644} {
			dir := t.TempDir()
			at := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			// As Kubernetes lays out a volume: name -> ..data/name, ..data -> ..1.
			must(os.Mkdir(at("..1"), 0o755))
			must(os.Symlink("..1", at("..data")))
			for _, file := range []string{"cert", "key", "clients", "jwks", "keyring", "product", "assertion", "token"} {
				must(os.WriteFile(at("..1", file), []byte(testSecret), 0o600))
				must(os.Symlink("..data/"+file, at(file)))
			}
			must(os.Chmod(dir, 0o777|os.ModeSticky))
			must(os.WriteFile(at("gateway.yaml"), []byte(form), 0o600))
			if name != "" {
				must(os.Chmod(at("..1", name), mode))
			}
			_, said, err := Load(at("gateway.yaml"), testKinds())
			refused := err != nil && strings.Contains(err.Error(), key+": every user can write ")
			if refused != (name != "" && mode == 0o666) || !refused && err != nil {
				t.Errorf("%s, mode %04o: %v", name, mode, err)
			}
			warned := slices.ContainsFunc(said, func(p Problem) bool { return strings.HasPrefix(p.Message, "a group can write ") })
			if warned != (name != "" && mode == 0o660) {
				t.Errorf("%s, mode %04o: told %v", name, mode, said)
			}
		}
	}
}

// TestSavedSecrets: a secret in a file is the same, whoever saved the file, and one
// that nobody can have meant is refused.
func TestSavedSecrets(t *testing.T) {
	t.Parallel()
	const word = "pässword"
	utf16 := []byte("\xff\xfe")
	for _, r := range word + "\r\n" {
		utf16 = append(utf16, byte(r), 0) // each is below U+0100
	}
	for what, raw := range map[string]string{
		"echo": word + "\n", "printf": word, "Notepad": "\ufeff" + word + "\r\n", "Windows PowerShell": string(utf16),
	} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := (&refs{}).value(map[string]any{"file": path})
		if err != nil || string(v.Reveal()) != word {
			t.Errorf("%s: another secret, %v", what, err)
		}
	}
	for what, raw := range map[string]string{"nothing": "\ufeff\r\n", "UTF-16 without a mark": string(utf16[2:]), "cut": string(utf16[:5])} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(raw), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := (&refs{}).value(map[string]any{"file": path}); err == nil || !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "ssword") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestSecretsInVariables: docker's --env-file leaves half a line end of Windows
// behind a variable, and a Secret of Kubernetes has what echo put behind it.
func TestSecretsInVariables(t *testing.T) {
	for raw, want := range map[string]string{"word": "word", "word\r": "word", "word\n": "word", "word\r\n": "word", " word ": " word ", "\r": ""} {
		t.Setenv("TEST_IN_VARIABLE", raw)
		v, err := (&refs{}).value(map[string]any{"env": "TEST_IN_VARIABLE"})
		if string(v.Reveal()) != want || (err == nil) != (want != "") {
			t.Errorf("%q: another secret, %v", raw, err)
		}
	}
}
