package config

import (
	"os"
	"path/filepath"
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
