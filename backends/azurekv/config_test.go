package azurekv

import (
	"encoding/base64"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	good := func() *Config {
		c := &Config{VaultURL: "https://contoso.vault.azure.net"}
		c.SetDefaults()
		return c
	}
	x := secret.TextValue("x")
	for _, c := range []struct {
		change func(*Config)
		want   []string // key paths of the problems
	}{
		{func(*Config) {}, nil},
		{func(c *Config) { c.VaultURL = "https://localhost:8443/" }, nil},
		{func(c *Config) { c.Credential = Credential{Kind: "token", Token: x} }, nil},
		{func(c *Config) { c.Credential = Credential{Kind: "token", TokenFile: "f"} }, nil},
		{func(c *Config) { c.Credential = Credential{Kind: "managed_identity", ClientID: "i"} }, nil},
		{func(c *Config) { c.Credential = Credential{Kind: "cli", TenantID: "t"} }, nil},
		{func(c *Config) {
			c.Credential = Credential{Kind: "client_secret", TenantID: "t", ClientID: "i", ClientSecret: x, Authority: "https://login.example/"}
		}, nil},
		{func(c *Config) { c.VaultURL = "" }, []string{"vault_url"}},
		{func(c *Config) { c.VaultURL = "http://contoso.vault.azure.net" }, []string{"vault_url"}},
		{func(c *Config) { c.VaultURL = "https://contoso.vault.azure.net/secrets" }, []string{"vault_url"}},
		{func(c *Config) { c.VaultURL = "https://u:p@contoso.vault.azure.net" }, []string{"vault_url"}},
		{func(c *Config) { c.VaultURL = "contoso" }, []string{"vault_url"}},
		{func(c *Config) { c.CAFile = "f" }, nil},
		{func(c *Config) { c.ExtraCAFile = "f" }, nil},
		{func(c *Config) { c.CAFile, c.ExtraCAFile = "f", "f" }, []string{"ca_file"}},
		{func(c *Config) { c.BackupForm = "native" }, nil},
		{func(c *Config) { c.BackupForm = "other" }, []string{"backup_form"}},
		{func(c *Config) { c.BackupForm = "" }, []string{"backup_form"}},
		{func(c *Config) { c.ReadDisabled = true }, nil},
		{func(c *Config) { c.Credential = Credential{Kind: "managed_identity", ClientID: "i", ObjectID: "o"} }, []string{"credential"}},
		{func(c *Config) { c.Credential = Credential{Kind: "cli", Subscription: "s", ResourceID: "r"} }, []string{"credential.resource_id"}},
		{func(c *Config) { c.Credential = Credential{Kind: "environment", TenantID: "t"} }, []string{"credential.tenant_id"}},
		{func(c *Config) { c.Credential = Credential{Kind: "client_certificate", SendCertificateChain: true} }, []string{
			"credential.tenant_id", "credential.client_id", "credential.certificate_file",
		}},
		{func(c *Config) { c.Cloud = "china" }, []string{"cloud"}},
		{func(c *Config) { c.Credential.Kind = "magic" }, []string{"credential.kind"}},
		{func(c *Config) { c.Credential = Credential{Kind: "token"} }, []string{"credential"}},
		{func(c *Config) { c.Credential = Credential{Kind: "token", Token: x, TokenFile: "f"} }, []string{"credential"}},
		{func(c *Config) { c.Credential = Credential{Kind: "default", Token: x} }, []string{"credential.token"}},
		{func(c *Config) { c.Credential.Authority = "login.example" }, []string{"credential.authority"}},
		{func(c *Config) { c.Credential = Credential{Kind: "workload_identity", Token: x} }, []string{
			"credential.tenant_id", "credential.client_id", "credential.token_file", "credential.token",
		}},
		{func(c *Config) {
			c.VaultURL, c.BackupForm = "", "x"
			c.Credential = Credential{Kind: "client_secret"}
		}, []string{
			"vault_url", "credential.tenant_id", "credential.client_id", "credential.client_secret", "backup_form",
		}},
	} {
		conf := good()
		c.change(conf)
		var got []string
		if err := conf.Validate(); err != nil {
			for line := range strings.Lines(err.Error()) {
				key, _, _ := strings.Cut(line, ":")
				got = append(got, key)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("problems with %q, want %q", got, c.want)
		}
	}
}

// TestCredentials: every kind that validates also opens, offline.
func TestCredentials(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	x := secret.TextValue("x")
	for _, c := range []Credential{
		{Kind: "default"},
		{Kind: "client_secret", TenantID: "t", ClientID: "i", ClientSecret: x},
		{Kind: "workload_identity", TenantID: "t", ClientID: "i", TokenFile: file, Authority: "https://login.example/"},
		{Kind: "managed_identity"},
		{Kind: "managed_identity", ClientID: "i"},
		{Kind: "cli"},
		{Kind: "token", Token: x},
	} {
		if err := c.validate(); err != nil {
			t.Errorf("%s: %v", c.Kind, err)
		}
		if _, err := newCredential(&Config{Credential: c}, &http.Client{}); err != nil {
			t.Errorf("%s: %v", c.Kind, err)
		}
	}
}

// TestTokenFile: a renewed file is a renewed token; one that went away is the
// gateway's fault, not the caller's.
func TestTokenFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	c := bearer{file: file}
	for text, want := range map[string]string{
		"first\n": "first", " second\r\n": "second", "\xef\xbb\xbfmarked\r\n": "marked", "\xfe\xff\x00w\x00i\x00d\x00e\x00\r\x00\n": "wide",
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := c.GetToken(t.Context(), policy.TokenRequestOptions{})
		if err != nil || got.Token != want {
			t.Errorf("the token is not the %s one: %v", want, err)
		}
	}
	for what, spoil := range map[string]func() error{
		"empty": func() error { return os.WriteFile(file, []byte("\n"), 0o600) },
		"gone":  func() error { return os.Remove(file) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		b := stub(t, "v.vault.example", "https://vault.example", reply(200, `{"value":[]}`), func(c *Config) {
			c.Credential = Credential{Kind: "token", TokenFile: file}
		})
		err := b.Check(t.Context())
		wantKind(t, "the token file is "+what, err, secret.Upstream)
		var ce *credentialError
		if !errors.As(err, &ce) {
			t.Errorf("%s: the cause is %v", what, err)
		}
		if what == "empty" {
			if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestTokenEnds: when a token of the configuration ends is in the token, if that
// is a JWT.
func TestTokenEnds(t *testing.T) {
	t.Parallel()
	end := time.Unix(1_800_000_000, 0)
	jwt := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1800000000}`)) + ".x"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(jwt+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, tt := range map[string]struct {
		c    Credential
		want []backends.Credential
	}{
		"a JWT":     {Credential{Kind: "token", Token: secret.TextValue(jwt)}, []backends.Credential{{Kind: backends.CredentialToken, Key: "credential.token", Ends: end}}},
		"in a file": {Credential{Kind: "token", TokenFile: file}, []backends.Credential{{Kind: backends.CredentialToken, Key: "credential", Ends: end, Renewed: true}}},
		"no JWT":    {Credential{Kind: "token", Token: secret.TextValue("x")}, nil},
	} {
		b := stub(t, "v.vault.example", "https://vault.example", reply(200, `{"value":[]}`), func(c *Config) { c.Credential = tt.c })
		if err := b.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.Credentials(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %+v", what, got)
		}
	}
}

// TestClientSecret logs in at a private authority, which is then refused: the
// kind is Upstream, and the authority's page stays out of the error.
func TestClientSecret(t *testing.T) {
	t.Parallel()
	const host = "v.vault.example"
	authority := func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/.well-known/openid-configuration"):
			base := "https://login.vault.example/72f988bf-86f1-41af-91ab-2d7cd011db47"
			reply(200, `{"issuer":"`+base+`/v2.0","authorization_endpoint":"`+base+`/a","token_endpoint":"`+base+`/t"}`)(w, r)
		case strings.HasSuffix(r.URL.Path, "/t") && r.PostFormValue("client_secret") == "right":
			reply(200, `{"token_type":"Bearer","expires_in":3599,"access_token":"stub-token"}`)(w, r)
		case strings.HasSuffix(r.URL.Path, "/t"):
			reply(401, `{"error":"invalid_client","error_description":"canary-page"}`)(w, r)
		case r.Header.Get("Authorization") != "Bearer stub-token":
			w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.vault.example/72f988bf-86f1-41af-91ab-2d7cd011db47", resource="https://vault.example"`)
			w.WriteHeader(http.StatusUnauthorized)
		default:
			reply(200, `{"value":[],"nextLink":null}`)(w, r)
		}
	}
	for _, word := range []string{"right", "wrong"} {
		b := serve(t, []string{host, "login.vault.example"}, authority, func(c *Config) {
			c.Credential = Credential{
				Kind: "client_secret", TenantID: "72f988bf-86f1-41af-91ab-2d7cd011db47", ClientID: "i",
				ClientSecret: secret.TextValue(word), Authority: "https://login.vault.example/",
			}
		})
		err := b.Check(t.Context())
		if word == "right" {
			if err != nil {
				t.Error(err)
			}
			continue
		}
		wantKind(t, "a wrong client secret", err, secret.Upstream)
		checkText(t, err)
	}
}

// TestUnreachable: nobody listens, and a certificate that nobody trusts.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	for what, change := range map[string]func(*Config){
		"no listener":    func(c *Config) { c.Dial = leadTo("127.0.0.1:1") },
		"no trust":       func(c *Config) { c.CAFile = "" },
		"another's name": func(c *Config) { c.VaultURL = "https://w.vault.example" },
	} {
		b := stub(t, "v.vault.example", "https://vault.example", reply(200, `{"value":[],"nextLink":null}`), change)
		wantKind(t, what, b.Check(t.Context()), secret.Unavailable)
		_, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x")})
		wantKind(t, what+", a write", err, secret.Unavailable)
	}
}

func TestCAFile(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + "-absent"} {
		for key, c := range map[string]*Config{"ca_file: ": {CAFile: file}, "extra_ca_file: ": {ExtraCAFile: file}} {
			if _, err := newTransport(c); err == nil || !strings.HasPrefix(err.Error(), key) {
				t.Errorf("%s%s: %v", key, filepath.Base(file), err)
			}
		}
	}
}
