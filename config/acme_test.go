package config

import (
	"slices"
	"strings"
	"testing"
)

// TestACME: what it needs is asked for, and who gets a certificate is known.
func TestACME(t *testing.T) {
	t.Parallel()
	const rest = `
stores: [ { name: a, backend: memory } ]
dialects: { azure: { routes: [ { host: red.vault.example.com, store: a }, { host: "*.teams.example.com", store: a } ] } }
login: { host: login.vault.example.com }
`
	load := func(tls string) (*Config, []Problem, error) {
		return parse("x.yaml", "/etc/gw", []byte("server: { tls: { "+tls+" } }"+rest), testKinds())
	}
	c, said, err := load(`acme: { directory: "https://acme.example.com/dir", accept_terms: true, hosts: [csms.vault.example.com] }`)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"csms.vault.example.com", "login.vault.example.com", "red.vault.example.com"}; !slices.Equal(c.CertifiedHosts(), want) {
		t.Errorf("%v, want %v", c.CertifiedHosts(), want)
	}
	if c.Server.TLS.ACME.Dir != "/etc/gw/acme" || !slices.ContainsFunc(said, func(p Problem) bool { return strings.Contains(p.Message, "gets no certificate") }) {
		t.Errorf("%q %v", c.Server.TLS.ACME.Dir, said)
	}
	for tls, want := range map[string]string{
		`acme: { directory: "https://acme.example.com/dir" }`:                                                "accept_terms",
		`acme: { directory: "http://acme.example.com/dir", accept_terms: true }`:                             "not an https URL",
		`cert_file: c, key_file: k, acme: { directory: "https://acme.example.com/dir", accept_terms: true }`: "choose one",
		`acme: { directory: "https://acme.example.com/dir", accept_terms: true, hosts: ["*.example.com"] }`:  "no name that an ACME server can prove",
		`acme: { directory: "https://acme.example.com/dir", accept_terms: true, dir: "" }`:                   "acme.dir",
		`off: true, acme: { directory: "https://acme.example.com/dir", accept_terms: true }`:                 "choose one",
		`acme: { accept_terms: true }`: "cert_file",
	} {
		if _, _, err := load(tls); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", tls, err, want)
		}
	}
}
