package report_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/dsse"
	"github.com/secure-systems-lab/go-securesystemslib/signerverifier"

	"github.com/vaultferry/vaultferry/backup"
)

func pemOf(t testing.TB, k backup.SigningKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// TestSecureSystemsLab: in-toto's own library verifies the envelope by the ids
// and public halves alone, each signature and both together.
func TestSecureSystemsLab(t *testing.T) {
	t.Parallel()
	ed, ec := keyring(t, edRing), keyring(t, ecRing)
	file := signed(t, ed, ec)
	verifier := func(k backup.SigningKey) dsse.Verifier {
		loaded, err := signerverifier.LoadKey(pemOf(t, k))
		if err != nil {
			t.Fatal(err)
		}
		loaded.KeyID = k.ID
		var v dsse.Verifier
		if k.Algorithm == backup.AlgEdDSA {
			v, err = signerverifier.NewED25519SignerVerifierFromSSLibKey(loaded)
		} else {
			v, err = signerverifier.NewECDSASignerVerifierFromSSLibKey(loaded)
		}
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	edKey, ecKey := verifier(public(t, ed)[0]), verifier(public(t, ec)[0])
	for name, verifiers := range map[string][]dsse.Verifier{"EdDSA": {edKey}, "ES256": {ecKey}, "both": {edKey, ecKey}} {
		v, err := dsse.NewMultiEnvelopeVerifier(len(verifiers), verifiers...)
		if err != nil {
			t.Fatal(err)
		}
		var e dsse.Envelope
		if err := json.Unmarshal(file, &e); err != nil {
			t.Fatal(err)
		}
		if accepted, err := v.Verify(t.Context(), &e); err != nil || len(accepted) != len(verifiers) {
			t.Errorf("%s: %v, %v", name, accepted, err)
		}
		body, err := e.DecodeB64Payload()
		if err != nil {
			t.Fatal(err)
		}
		e.Payload = base64.StdEncoding.EncodeToString(bytes.Replace(body, []byte(`"done":3`), []byte(`"done":4`), 1))
		if _, err := v.Verify(t.Context(), &e); err == nil {
			t.Errorf("%s: a changed payload verifies", name)
		}
	}
}

const (
	jsTests = "../../test/sdk/js"
	jsCache = "../../.cache/js"
)

// TestSigstore: @sigstore/core verifies both kinds of signatures, and no changed
// payload.
func TestSigstore(t *testing.T) {
	t.Parallel()
	modules, err := filepath.Abs(filepath.Join(jsCache, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	_, noNode := exec.LookPath("node")
	if _, err := os.Stat(filepath.Join(modules, "@sigstore", "core")); noNode != nil || err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("node, or the packages of test/sdk/js: not installed")
		}
		t.Skip("node, or the packages of test/sdk/js: not installed; run `make deps`")
	}
	dir := t.TempDir()
	ed, ec := keyring(t, edRing), keyring(t, ecRing)
	script, err := os.ReadFile(filepath.Join(jsTests, "report.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"report.mjs": script, "report.json": signed(t, ed, ec),
		"the-source.pem": pemOf(t, public(t, ed)[0]), "the-target.pem": pemOf(t, public(t, ec)[0]),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "report.mjs", "report.json")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "the-source verified\nthe-target verified\n" {
		t.Errorf("%v\n%s", err, out)
	}
}
