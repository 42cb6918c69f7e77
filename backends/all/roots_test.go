package all_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/internal/pki"
)

// product is a server of which it only counts whether a client trusts it.
type product struct {
	url, caFile string
	asked       atomic.Int64
}

func newProduct(t *testing.T, caFile string) *product {
	t.Helper()
	ca, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(caFile, ca.Cert(), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &product{caFile: caFile}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		w.WriteHeader(http.StatusNotFound)
	}))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	s.StartTLS()
	t.Cleanup(s.Close)
	p.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	return p
}

// rootsSections are the stores that reach a product over TLS, %[1]s its URL and
// %[2]s the keys under test.
var rootsSections = map[string]string{
	"azurekv":    "vault_url: %[1]s, credential: { kind: token, token: { env: TEST_ROOTS } }, %[2]s",
	"hashivault": "address: %[1]s, kv: 2, token: { env: TEST_ROOTS }, tls: { %[2]s }",
	"huaweicsms": `endpoint: %[1]s, project_id: "0123456789abcdef0123456789abcdef", access_key: { id: A, secret: { env: TEST_ROOTS } }, %[2]s`,
}

// TestRoots: ca_file replaces the system's roots and extra_ca_file adds to
// them, for every product. The system's are what SSL_CERT_FILE names; a program
// reads it once, so the test is one of its own.
func TestRoots(t *testing.T) {
	t.Parallel()
	if os.Getenv("TEST_ROOTS") == "" {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRoots$", "-test.v")
		cmd.Env = append(os.Environ(), "TEST_ROOTS=t", "SSL_CERT_FILE="+filepath.Join(dir, "system.pem"), "SSL_CERT_DIR="+dir+"-none")
		out, err := cmd.CombinedOutput()
		if err != nil || bytes.Count(out, []byte("\n    --- PASS: TestRoots/")) != len(rootsSections) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	known := newProduct(t, os.Getenv("SSL_CERT_FILE"))
	private := newProduct(t, filepath.Join(t.TempDir(), "private.pem"))
	for kind, section := range rootsSections {
		t.Run(kind, func(t *testing.T) {
			for _, c := range []struct {
				keys           string
				known, private bool // trusted
			}{
				{"", true, false},
				{"ca_file: " + private.caFile, false, true},
				{"ca_file: " + known.caFile, true, false},
				{"extra_ca_file: " + private.caFile, true, true},
			} {
				for p, want := range map[*product]bool{known: c.known, private: c.private} {
					if got := reaches(t, kind, fmt.Sprintf(section, p.url, c.keys), p); got != want {
						t.Errorf("with %q, a server of the system's roots: %t: reached %t, want %t", c.keys, p == known, got, want)
					}
				}
			}
		})
	}
}

// reaches opens the store and asks it for a secret.
func reaches(t *testing.T, kind, section string, p *product) bool {
	t.Helper()
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := fmt.Sprintf("server: { tls: { off: true } }\nstores: [ { name: s, backend: %[1]s, %[1]s: { %[2]s } } ]\n", kind, section)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := config.Load(file, all.Registry())
	if err != nil {
		t.Fatal(err)
	}
	d, err := all.Registry().Find(kind)
	if err != nil {
		t.Fatal(err)
	}
	before := p.asked.Load()
	b, err := d.Open(t.Context(), backends.Env{Store: "s", Now: time.Now}, c.Stores[0].Section())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	if _, err := b.Export(t.Context(), "a"); err == nil {
		t.Error("a server that has nothing gave something")
	}
	return p.asked.Load() > before
}
