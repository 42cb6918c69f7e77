package backup

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// plainOf opens a blob and returns the document's bytes.
func plainOf(t *testing.T, k *Keyring, blob []byte) []byte {
	t.Helper()
	plain, err := k.open(bytes.TrimPrefix(blob, []byte(prefix)), typeBackup)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// sealRaw seals any bytes as a document: what a holder of a public half can do.
func sealRaw(t *testing.T, k *Keyring, plain []byte) []byte {
	t.Helper()
	compact, err := k.sealAs(plain, typeBackup)
	if err != nil {
		t.Fatal(err)
	}
	return []byte(prefix + compact)
}

// TestWhoMadeABlobIsProved: with the public half of an asymmetric key anybody
// seals, and no more.
func TestWhoMadeABlobIsProved(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{AlgECDH, AlgRSA} {
		for _, sig := range []string{AlgEdDSA, AlgES256} {
			k := newKeyring(t, alg, sig)
			_, signer, _ := k.Signer()
			d, err := k.Open(mustSeal(t, k, fullDocument()))
			if err != nil || !same(d, fullDocument()) || d.ProvedBy != signer {
				t.Errorf("%s and %s: proved by %q, %v", alg, sig, d.ProvedBy, err)
			}
			half, err := k.Public()
			if err != nil {
				t.Fatal(err)
			}
			if d, err = k.Open(mustSeal(t, half, fullDocument())); err != nil || d.ProvedBy != "" {
				t.Errorf("%s and %s: the public half proves to be %q, %v", alg, sig, d.ProvedBy, err)
			}
			retired, err := newKeyringWith(t, k, sig).Retire(signer, time.Unix(1e9, 0))
			if err != nil {
				t.Fatal(err)
			}
			if d, err = retired.Open(mustSeal(t, k, smallDocument())); err != nil || d.ProvedBy != signer {
				t.Errorf("%s and %s: a retired key proves no more: %v", alg, sig, err)
			}
		}
	}
	k := newKeyring(t, AlgA256KW, AlgEdDSA)
	blob := mustSeal(t, k, fullDocument())
	if !bytes.Equal(plainOf(t, k, blob), mustEncode(t, fullDocument())) {
		t.Error("a document under a symmetric key is signed")
	}
	if d, err := k.Open(blob); err != nil || d.ProvedBy != k.Keys()[0].ID {
		t.Errorf("a symmetric key proves %q, %v", d.ProvedBy, err)
	}
}

func newKeyringWith(t *testing.T, k *Keyring, alg string) *Keyring {
	t.Helper()
	k, _, err := k.Add(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestForgedSignaturesAreRefused, whatever a holder of the public half makes of
// a signed document.
func TestForgedSignaturesAreRefused(t *testing.T) {
	t.Parallel()
	k := newKeyring(t, AlgECDH, AlgEdDSA)
	half, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	signed := plainOf(t, k, mustSeal(t, k, smallDocument()))
	change := func(old, with string) []byte {
		out := strings.Replace(string(signed), old, with, 1)
		if out == string(signed) {
			t.Fatalf("the document holds no %s", old)
		}
		return []byte(out)
	}
	at := bytes.Index(signed, []byte(signatureMember)) + len(signatureMember)
	signature := string(signed[at : len(signed)-2])
	head, _, _ := strings.Cut(signature, ".")
	headers := func(header string) []byte { return change(head, EncodeBase64URL([]byte(header))) }
	_, id, _ := k.Signer()
	other := plainOf(t, k, mustSeal(t, k, fullDocument()))
	for what, plain := range map[string][]byte{
		"another origin":           change(`"store":"a"`, `"store":"b"`),
		"another gateway":          change(`"gateway":"00`, `"gateway":"ff`),
		"another value":            change(`"text":"one"`, `"text":"two"`),
		"another document's":       change(signature, string(other[bytes.Index(other, []byte(signatureMember))+len(signatureMember):len(other)-2])),
		"alg none":                 headers(`{"alg":"none","kid":"` + id + `","typ":"vaultferry-backup"}`),
		"alg HS256":                headers(`{"alg":"HS256","kid":"` + id + `","typ":"vaultferry-backup"}`),
		"another type":             headers(`{"alg":"EdDSA","kid":"` + id + `","typ":"JWT"}`),
		"a jwk in the header":      headers(`{"alg":"EdDSA","jwk":{},"kid":"` + id + `","typ":"vaultferry-backup"}`),
		"unencoded payload":        headers(`{"alg":"EdDSA","b64":false,"crit":["b64"],"kid":"` + id + `","typ":"vaultferry-backup"}`),
		"a payload inside":         change(head+"..", head+"."+head+"."),
		"no signature in it":       change(signature, head+".."),
		"no JWS":                   change(signature, "x"),
		"a bit of it":              change(signature[len(signature)-20:], strings.Repeat("A", 20)),
		"empty, which is not said": change(signature, ""),
	} {
		_, err := k.Open(sealRaw(t, half, plain))
		if secret.KindOf(err) != secret.Corrupt || secret.DetailOf(err) != cannotOpen {
			t.Errorf("%s: %v", what, err)
		}
	}
	// Without the key nobody can tell; that is not proved, and not refused.
	unknown, err := k.Open(sealRaw(t, half, headers(`{"alg":"EdDSA","kid":"unknown","typ":"vaultferry-backup"}`)))
	if err != nil || unknown.ProvedBy != "" {
		t.Errorf("signed by an unknown key: %v", err)
	}
	// What a signed document is sealed again as is signed by who seals it.
	d, err := k.Open(mustSeal(t, k, smallDocument()))
	if err != nil {
		t.Fatal(err)
	}
	d.Origin.Store = "b"
	if d, err = k.Open(mustSeal(t, half, d)); err != nil || d.ProvedBy != "" || d.Signature != "" {
		t.Errorf("an old signature stays: %v", err)
	}
}

// TestJwcryptoProvesASignature does what FORMAT.md says.
func TestJwcryptoProvesASignature(t *testing.T) {
	t.Parallel()
	needTool(t, "python3-jwcrypto", "/usr/bin/python3", "-c", "import jwcrypto")
	for _, alg := range []string{AlgEdDSA, AlgES256} {
		k := newKeyring(t, AlgECDH, alg)
		dir := t.TempDir()
		if err := k.Create(filepath.Join(dir, "keyring.json")); err != nil {
			t.Fatal(err)
		}
		plain := plainOf(t, k, mustSeal(t, k, fullDocument()))
		changed := bytes.Replace(plain, []byte("payments"), []byte("elsewhere"), 1)
		for i, document := range [][]byte{plain, changed} {
			if err := os.WriteFile(filepath.Join(dir, "document.json"), document, 0o600); err != nil {
				t.Fatal(err)
			}
			script := instructions(t)[3]
			if i == 1 {
				script = "set +e\n" + script + "test $? -ne 0\n"
			}
			sh(t, dir, script)
		}
	}
}
