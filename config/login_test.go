package config

import (
	"strings"
	"testing"
)

func loginConfig(t *testing.T, text string) (*Config, []Problem, error) {
	t.Helper()
	return parse("test.yaml", t.TempDir(), []byte("server: { tls: { off: true } }\nstores: [ { name: a, backend: memory } ]\n"+text), testKinds())
}

func TestLoginIsTheAuthority(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"login: { host: id.bank.example }": "https://id.bank.example/adfs",
		"login: { host: id.bank.example }\ndialects: { azure: { authority: \"https://id.bank.example:8443/adfs\" } }": "https://id.bank.example:8443/adfs",
		"admin: { address: \"\" }": "https://login.vault.localhost/adfs",
	} {
		c, _, err := loginConfig(t, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Dialects.Azure.Authority; got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	_, said, err := loginConfig(t, "login: { host: id.bank.example }")
	if all := strings.Join(lines(said, true), "\n"); err != nil || !strings.Contains(all, "warning: login: no caller has a client, so nobody can log in") {
		t.Errorf("a login for nobody: %v", all)
	}
	for _, host := range []string{"ID.bank", "*.bank.example", "https://id", "id:8443"} {
		if _, _, err := loginConfig(t, "login: { host: \""+host+"\" }"); err == nil || !strings.Contains(err.Error(), "login.host: not a host name") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestAdvertises(t *testing.T) {
	t.Parallel()
	routes := func(routes ...AzureRoute) *Config { return &Config{Dialects: Dialects{Azure: Azure{Routes: routes}}} }
	plain := routes(AzureRoute{Host: "a.vault.localhost"})
	own := routes(AzureRoute{Host: "a.vault.localhost", Resource: "https://vault.bank.example/"})
	label := routes(AzureRoute{Host: "*.vault.bank.example"})
	bare := routes(AzureRoute{Host: "localhost"})
	every := routes(AzureRoute{Host: "*"})
	for _, c := range []struct {
		name     string
		config   *Config
		resource string
		want     bool
	}{
		{"parent", plain, "https://vault.localhost", true},
		{"parent with a port", plain, "https://vault.localhost:8443", true},
		{"the host itself", plain, "https://a.vault.localhost", false},
		{"grandparent", plain, "https://localhost", false},
		{"with a path", plain, "https://vault.localhost/", false},
		{"without TLS", plain, "http://vault.localhost", false},
		{"with a user", plain, "https://x@vault.localhost", false},
		{"another", plain, "https://vault.azure.net", false},
		{"no URL", plain, "vault.localhost", false},
		{"configured, as it stands", own, "https://vault.bank.example/", true},
		{"configured, its parent", own, "https://vault.localhost", false},
		{"by pattern", label, "https://vault.bank.example:8443", true},
		{"no parent", bare, "https://localhost:8443", true},
		{"every host", every, "https://anything.example", true},
		{"every host, with a path", every, "https://anything.example/x", false},
		{"no routes", routes(), "https://vault.localhost", false},
	} {
		if got := c.config.Advertises(c.resource); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
