package backup

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vaultferry/vaultferry/internal/pages"
)

// instructions returns the shell commands of FORMAT.md in their order: jose,
// jwcrypto, the way back from the azure wire, and the proof of a signature.
func instructions(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, block := range pages.Blocks(string(b)) {
		if block.Kind == "sh" {
			out = append(out, block.Text)
		}
	}
	if len(out) != 4 {
		t.Fatalf("FORMAT.md has %d sets of commands, want 4", len(out))
	}
	return out
}

// needTool skips where a tool is missing on a developer's machine. In CI,
// where make installs them, a missing tool is a failure.
func needTool(t *testing.T, what string, probe ...string) {
	t.Helper()
	if exec.CommandContext(t.Context(), probe[0], probe[1:]...).Run() == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed", what)
	}
	t.Skipf("%s is not installed; `apt-get install -y jose python3-jwcrypto`", what)
}

// sh runs commands in a folder and fails the test where they fail.
func sh(t *testing.T, dir, script string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// openByHand does what FORMAT.md says and compares with the document.
func openByHand(t *testing.T, script string, k *Keyring) {
	t.Helper()
	dir := t.TempDir()
	if err := k.Create(filepath.Join(dir, "keyring.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "blob"), mustSeal(t, k, fullDocument()), 0o600); err != nil {
		t.Fatal(err)
	}
	sh(t, dir, script)
	got, err := os.ReadFile(filepath.Join(dir, "document.json"))
	if err != nil {
		t.Fatal(err)
	}
	if unsigned, _, signed := bytes.Cut(got, []byte(signatureMember)); signed {
		got = append(unsigned, '}')
	}
	if !bytes.Equal(got, mustEncode(t, fullDocument())) {
		t.Errorf("the commands give %d other bytes", len(got))
	}
}

func TestJoseOpensWhatWeSeal(t *testing.T) {
	t.Parallel()
	needTool(t, "jose", "jose", "alg")
	for _, alg := range []string{AlgA256KW, AlgECDH} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			k, err := NewKeyringOf(alg, AlgA256KW, AlgEdDSA)
			if err != nil {
				t.Fatal(err)
			}
			openByHand(t, instructions(t)[0], k)
		})
	}
}

func TestJwcryptoOpensWhatWeSeal(t *testing.T) {
	t.Parallel()
	needTool(t, "python3-jwcrypto", "/usr/bin/python3", "-c", "import jwcrypto")
	for _, alg := range []string{AlgA256KW, AlgECDH, AlgRSA} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			k, err := NewKeyringOf(alg, AlgEdDSA)
			if err != nil {
				t.Fatal(err)
			}
			openByHand(t, instructions(t)[1], k)
		})
	}
}

// TestJoseKeysSeal takes the keys that jose makes, as a person would who keeps
// the private half elsewhere.
func TestJoseKeysSeal(t *testing.T) {
	t.Parallel()
	needTool(t, "jose", "jose", "alg")
	dir := t.TempDir()
	sh(t, dir, `umask 077
for alg in A256KW ECDH-ES+A256KW; do
	jose jwk gen -i "{\"alg\":\"$alg\",\"kid\":\"by-hand-$alg\",\"use\":\"enc\"}" -o "$alg"
	printf '{"keys":[%s]}' "$(cat "$alg")" > "set-$alg"
done`)
	for _, alg := range []string{AlgA256KW, AlgECDH} {
		k, err := LoadKeyring(filepath.Join(dir, "set-"+alg))
		if err != nil {
			t.Fatal(err)
		}
		openByHand(t, instructions(t)[0], k)
	}
}

func TestBlobComesBackFromTheAzureWire(t *testing.T) {
	t.Parallel()
	needTool(t, "basenc (coreutils)", "basenc", "--version")
	dir := t.TempDir()
	for n := range 4 { // each length of padding
		blob := append([]byte(prefix), bytes.Repeat([]byte("x"), n)...)
		if err := os.WriteFile(filepath.Join(dir, "value"), []byte(EncodeBase64URL(blob)), 0o600); err != nil {
			t.Fatal(err)
		}
		sh(t, dir, instructions(t)[2])
		if got, err := os.ReadFile(filepath.Join(dir, "blob")); err != nil || !bytes.Equal(got, blob) {
			t.Errorf("%d: other bytes come back: %v", n, err)
		}
	}
}
