package pemfile

import (
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/vaultferry/vaultferry/internal/pki"
)

// files are a certificate of an authority, as a folder has them.
type files struct {
	t             *testing.T
	dir           string
	ca, cert, key string
}

func newFiles(t *testing.T) files {
	t.Helper()
	ca, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue([]string{"vault.localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return files{t, t.TempDir(), string(ca.Cert()), string(pair.Cert), string(pair.Key)}
}

func (f files) write(name, text string) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

func der(text string) string {
	block, _ := pem.Decode([]byte(text))
	return string(block.Bytes)
}

func utf16LE(s string) string {
	out := []byte("\xff\xfe")
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return string(out)
}

func indented(s string) string {
	return "  " + strings.ReplaceAll(s, "\n", "\n  ")
}

func pfx(t *testing.T) string {
	t.Helper()
	b, err := asn1.Marshal(struct {
		Version int
		Data    []byte
	}{3, []byte("sealed")})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// saved are forms of one PEM file that mean the same.
func saved(text string) map[string]string {
	return map[string]string{
		"as it is":           text,
		"Notepad":            "\ufeff" + strings.ReplaceAll(text, "\n", "\r\n"),
		"Windows PowerShell": utf16LE(strings.ReplaceAll(text, "\n", "\r\n")),
		"openssl pkcs12":     "Bag Attributes\n    friendlyName: gateway\nsubject=CN=x\n" + text,
		"no line end":        strings.TrimSpace(text),
		"openssl ecparam":    "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + text,
	}
}

// TestSaved: a certificate and its key are the same, whoever saved them.
func TestSaved(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	for what, cert := range saved(f.cert + f.ca) {
		for whatKey, key := range saved(f.key) {
			pair, err := Pair(f.write("cert", cert), f.write("key", key))
			if err != nil || len(pair.Certificate) != 2 || string(pair.Certificate[0]) != der(f.cert) {
				t.Errorf("%s, %s: %v", what, whatKey, err)
			}
		}
		pool := x509.NewCertPool()
		all, err := Certificates(f.write("cert", cert))
		if addErr := AddTo(pool, f.write("cert", cert)); addErr != nil || err != nil || len(all) != 2 {
			t.Errorf("%s: %d certificates, %v, %v", what, len(all), addErr, err)
		}
	}
	both := f.write("both", f.key+f.cert)
	if _, err := Pair(both, both); err != nil {
		t.Errorf("one file for both: %v", err)
	}
}

// TestUnusable: what cannot be used is named, with what to do about it, and nothing
// of it is shown.
func TestUnusable(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	other := newFiles(t)
	sealed := []byte("what nobody can read")
	asEncrypted := string(pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: sealed}))
	oldEncrypted := string(pem.EncodeToMemory(&pem.Block{
		Type: "EC PRIVATE KEY", Bytes: sealed,
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"},
	}))
	for what, tt := range map[string]struct{ cert, key, want string }{
		"DER":                       {der(f.cert), f.key, "cert holds no certificate: it is in DER, and PEM is wanted, which openssl x509 -inform der -in "},
		"PKCS#12":                   {pfx(t), f.key, "cert holds no certificate: it is PKCS#12, and PEM is wanted, which openssl pkcs12 -nodes -in "},
		"empty":                     {"", f.key, "cert holds no certificate: it is empty"},
		"indented":                  {indented(f.cert), f.key, "cert holds no certificate: it is no PEM, which has a line -----BEGIN ...----- without blanks before it"},
		"swapped":                   {f.key, f.cert, "cert holds no certificate: it holds a "},
		"a certificate as key":      {f.cert, f.cert, "key holds no private key: it holds a CERTIFICATE"},
		"a key in DER":              {f.cert, der(f.key), "key holds no private key: it is in DER, and PEM is wanted"},
		"encrypted":                 {f.cert, asEncrypted, "the private key in " + filepath.Join(f.dir, "key") + " is encrypted with a passphrase"},
		"encrypted, as of old":      {f.cert, oldEncrypted, "is encrypted with a passphrase"},
		"the chain the wrong way":   {f.ca + f.cert, f.key, "certificate 2 in " + filepath.Join(f.dir, "cert") + " is the one of the private key: it must be first"},
		"another key":               {f.cert, other.key, "private key does not match public key"},
		"UTF-16 that breaks off":    {"\xff\xfe-", f.key, "breaks off in the middle of a character"},
		"a key in UTF-16, cut":      {f.cert, "\xff\xfe-", "breaks off in the middle of a character"},
		"a certificate that is cut": {f.cert[:len(f.cert)/2], f.key, "cert holds no certificate"},
	} {
		_, err := Pair(f.write("cert", tt.cert), f.write("key", tt.key))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for line := range strings.Lines(f.key + f.cert) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-----") && strings.Contains(err.Error(), line) {
				t.Errorf("%s: shows what is in the file: %v", what, err)
			}
		}
	}
	if err := AddTo(x509.NewCertPool(), f.write("cert", der(f.ca))); err == nil || !strings.Contains(err.Error(), "it is in DER") {
		t.Errorf("authorities in DER: %v", err)
	}
	if _, err := Pair(filepath.Join(f.dir, "none"), f.write("key", f.key)); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}
