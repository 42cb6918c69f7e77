package hashivault

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv2"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

func TestDocumentedPolicyIsEnough(t *testing.T) {
	f := newFixture(t)
	f.conf.Token = secret.TextValue(f.server.Token(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount))))
	s := f.open(t, nil)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	d := secret.Draft{Value: secret.TextValue("x"), Disabled: true, Tags: map[string]string{"a": strings.Repeat("b", 600)}}
	if _, err := s.Put(t.Context(), "s", d); err != nil {
		t.Errorf("Put: %v", err)
	}
	if _, err := s.Export(t.Context(), "s"); err != nil {
		t.Errorf("Export: %v", err)
	}
	if p, err := s.List(t.Context(), secret.Query{}); err != nil || len(p.Secrets) != 1 {
		t.Errorf("List: %v", err)
	}
	if err := s.WriteState(t.Context(), "n", []byte(`{}`), ""); err != nil {
		t.Errorf("WriteState: %v", err)
	}
}

// TestRefusedCredentials: a token that is dead is told from one that is denied,
// by whichever call meets it first.
func TestRefusedCredentials(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("x"))
	elsewhere := f.server.Token(t, f.server.Policy(t, `path "nothing/*" { capabilities = ["read"] }`))
	here := f.server.Token(t, f.server.Policy(t, `path "`+f.conf.Mount+`/data/other" { capabilities = ["read"] }`))
	revoked := f.server.Token(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)))
	if err := f.native.Auth().Token().RevokeTree(revoked); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		token string
		dead  bool
	}{
		"denied everything": {elsewhere, false}, "denied this": {here, false},
		"unknown": {"hvs.unknown", true}, "revoked": {revoked, true},
	} {
		f.conf.Token = secret.TextValue(c.token)
		for name, call := range everyCall(f.open(t, nil)) {
			err := call(t.Context())
			if what == "denied this" && err == nil {
				continue
			}
			if !errors.Is(err, secret.Upstream) || strings.Contains(err.Error(), c.token) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s, %s: %v", what, name, err)
			}
			if errors.Is(err, kit.ErrDeadCredential) != c.dead {
				t.Errorf("%s, %s: dead: %v, want %v; %v", what, name, !c.dead, c.dead, err)
			}
		}
	}
}

// TestOldVaultKnowsDeadTokens: older servers say of a dead token no more than of
// one that is denied.
func TestOldVaultKnowsDeadTokens(t *testing.T) {
	f := newFixture(t)
	f.conf.Token = secret.TextValue("hvs.unknown")
	wire, requests := kvtest.NewWire(t), new(atomic.Int64)
	s := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		requests.Add(1)
		resp, err := wire.RoundTrip(r)
		if err == nil && resp.StatusCode == http.StatusForbidden {
			_ = resp.Body.Close()
			resp.Body = io.NopCloser(strings.NewReader(`{"errors":["1 error occurred:\n\t* permission denied\n\n"]}`))
			resp.ContentLength = -1
		}
		return resp, err
	}))
	if _, err := s.Get(t.Context(), "s", secret.Current); !errors.Is(err, kit.ErrDeadCredential) {
		t.Error(err)
	}

	// A token that lives is asked about once for many names.
	f.conf.Token = secret.TextValue(f.server.Token(t, f.server.Policy(t, `path "nothing/*" { capabilities = ["read"] }`)))
	requests.Store(0)
	s = f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) { requests.Add(1); return wire.RoundTrip(r) }))
	for range 10 {
		if _, err := s.Get(t.Context(), "s", secret.Current); errors.Is(err, kit.ErrDeadCredential) || !errors.Is(err, secret.Upstream) {
			t.Error(err)
		}
	}
	if n := requests.Load(); n != 11 {
		t.Errorf("%d requests for ten names", n)
	}
}

// TestWrappedTokens: whoever configures a wrapping token is told what to do,
// and it still can be unwrapped.
func TestWrappedTokens(t *testing.T) {
	f := newFixture(t)
	role := f.server.NewAppRole(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)), nil)
	wrapping := f.server.Client(t, vaulttest.RootToken)
	wrapping.SetWrappingLookupFunc(func(string, string) string { return "5m" })
	for key, wrap := range map[string]func() (*api.Secret, error){
		"token": func() (*api.Secret, error) { return wrapping.Auth().Token().Create(&api.TokenCreateRequest{}) },
		"secret_id": func() (*api.Secret, error) {
			return wrapping.Logical().Write("auth/"+role.Mount+"/role/r/secret-id", nil)
		},
	} {
		made, err := wrap()
		if err != nil {
			t.Fatal(err)
		}
		text := secret.TextValue(made.WrapInfo.Token)
		conf := f.conf
		if key == "token" {
			conf.Token = text
		} else {
			conf.Token, conf.AppRole = secret.Value{}, &connection.AppRole{RoleID: role.RoleID, SecretID: text, Mount: role.Mount}
		}
		_, err = open(t.Context(), backends.Env{Store: "s", Now: time.Now}, &conf)
		if err == nil || !strings.HasPrefix(secret.DetailOf(err), key+": ") || !strings.Contains(secret.DetailOf(err), "vault unwrap") ||
			strings.Contains(err.Error(), made.WrapInfo.Token) || !errors.Is(err, kit.ErrDeadCredential) {
			t.Errorf("%s: %v", key, err)
		}
		if inside, err := f.native.Logical().Unwrap(made.WrapInfo.Token); err != nil || inside == nil {
			t.Errorf("%s: the wrapping token is used up: %v", key, err)
		}
	}
}

// TestWrappedTokenWhileVaultIsDown: a gateway that starts before Vault learns it
// from the first call, and has not used the token up meanwhile.
func TestWrappedTokenWhileVaultIsDown(t *testing.T) {
	f := newFixture(t)
	wrapping := f.server.Client(t, vaulttest.RootToken)
	wrapping.SetWrappingLookupFunc(func(string, string) string { return "5m" })
	made, err := wrapping.Auth().Token().Create(&api.TokenCreateRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var up atomic.Bool
	f.conf.Address = kvtest.Front(t, f.server.Address, func(w http.ResponseWriter, _ *http.Request) bool {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return !up.Load()
	})
	f.conf.Token = secret.TextValue(made.WrapInfo.Token)
	b, err := open(t.Context(), backends.Env{Store: "s", Now: time.Now}, &f.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	up.Store(true)
	for range 2 {
		if _, err := b.Get(t.Context(), "s", secret.Current); !errors.Is(err, secret.Upstream) || !strings.Contains(secret.DetailOf(err), "vault unwrap") {
			t.Errorf("Get: %v", err)
		}
	}
	if _, err := f.native.Logical().Unwrap(made.WrapInfo.Token); err != nil {
		t.Errorf("the wrapping token is used up: %v", err)
	}
}

// TestWrongMounts: a mount that is missing or of another kind is told apart
// from a secret that is missing.
func TestWrongMounts(t *testing.T) {
	f := newFixture(t)
	for mount, want := range map[string]struct {
		kind secret.Kind
		text string
	}{
		"nowhere":   {secret.Upstream, "there is no mount nowhere"},
		"cubbyhole": {secret.Invalid, "no key-value engine"},
	} {
		f.conf.Mount = mount
		err := f.open(t, nil).Check(t.Context())
		if !errors.Is(err, want.kind) || !strings.Contains(secret.DetailOf(err), want.text) {
			t.Errorf("%s: %v", mount, err)
		}
		var log bytes.Buffer
		b, err := open(t.Context(), backends.Env{Store: "s", Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil))}, &f.conf)
		if (err != nil) != (want.kind == secret.Invalid) {
			t.Errorf("open with %s: %v", mount, err)
		}
		if err != nil {
			continue
		}
		if said := log.String(); !strings.Contains(said, "not ready") || !strings.Contains(said, want.text) {
			t.Errorf("the start with %s logs %q", mount, said)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAppRoleOutlivesTokens: a token that cannot be renewed for long ends, and
// nobody notices (2.10).
func TestAppRoleOutlivesTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("x"))
	role := f.server.NewAppRole(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)), map[string]any{"token_ttl": "2s", "token_max_ttl": "3s"})
	f.conf.Token = secret.Value{}
	f.conf.AppRole = &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	s, w := f.watch(t)
	first := ""
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range 60 {
		if _, err := s.Get(t.Context(), "s", secret.Current); err != nil {
			t.Fatalf("Get: %v", err)
		}
		if first == "" {
			first = w.token.Load().(string)
		}
		<-tick.C
	}
	if w.token.Load() == first {
		t.Error("the token of the first login outlived its own end")
	}
}

// TestFixedTokenIsRenewed: a token that Vault would end lives on, and its
// renewal ends with the store (2.10).
func TestFixedTokenIsRenewed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("x"))
	made, err := f.native.Auth().Token().CreateOrphan(&api.TokenCreateRequest{Policies: []string{"default", f.server.Policy(t, kvtest.Policy(f.conf.Mount))}, Period: "5s"}) // a third of it is left when it is renewed, also on a busy machine
	if err != nil {
		t.Fatal(err)
	}
	f.conf.Token = secret.TextValue(made.Auth.ClientToken)
	b, err := open(t.Context(), backends.Env{Store: "s", Now: time.Now}, &f.conf)
	if err != nil {
		t.Fatal(err)
	}
	end, tick := time.Now().Add(6*time.Second), time.NewTicker(100*time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(end) {
		if _, err := b.Get(t.Context(), "s", secret.Current); err != nil {
			t.Fatalf("Get: %v", err)
		}
		<-tick.C
	}
	_ = b.Close()
	for range 600 { // now nobody renews it
		if _, err := f.native.Auth().Token().Lookup(made.Auth.ClientToken); err != nil {
			return
		}
		<-tick.C
	}
	t.Error("the token lives on after Close")
}

// TestEnvironmentHasNoSay: VAULT_* of whoever starts the gateway changes
// nothing.
func TestEnvironmentHasNoSay(t *testing.T) {
	f := newFixture(t)
	for k, v := range map[string]string{
		"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "wrong", "VAULT_NAMESPACE": "elsewhere", "VAULT_AGENT_ADDR": "http://127.0.0.1:1",
		"VAULT_HEADERS": `{"X-Other":"1"}`, "VAULT_MAX_RETRIES": "9", "VAULT_PROXY_ADDR": "http://127.0.0.1:1", "VAULT_WRAP_TTL": "60", "VAULT_RATE_LIMIT": "1:1",
		"HTTP_PROXY": "http://127.0.0.1:1",
	} {
		t.Setenv(k, v)
	}
	wire := kvtest.NewWire(t)
	s := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		for _, h := range []string{"X-Other", "X-Vault-Namespace", "X-Vault-Wrap-Ttl"} {
			if r.Header.Get(h) != "" {
				t.Errorf("%s is sent", h)
			}
		}
		if r.Header.Get("X-Vault-Token") != vaulttest.RootToken {
			t.Error("the token is another")
		}
		return wire.RoundTrip(r)
	}))
	if _, err := s.Put(t.Context(), "s", kvtest.Text("x")); err != nil {
		t.Error(err)
	}
}

func TestConfig(t *testing.T) {
	good := func() *Config {
		c := &Config{Access: connection.Access{Address: "https://vault.example:8200", Token: secret.TextValue("x")}}
		c.SetDefaults()
		return c
	}
	if err := good().Validate(); err != nil {
		t.Errorf("a good configuration: %v", err)
	}
	for want, spoil := range map[string]func(*Config){
		"address":                       func(c *Config) { c.Address = "vault.example" },
		"address: want no":              func(c *Config) { c.Address = "https://u:p@vault.example" },
		"mount":                         func(c *Config) { c.Mount = "" },
		"mount: want":                   func(c *Config) { c.Mount = "a/../b" },
		"kv: want":                      func(c *Config) { c.KV = 3 },
		"prefix":                        func(c *Config) { c.Prefix = "a//b" },
		"prefix: want":                  func(c *Config) { c.Prefix = connection.CompanionFolder },
		"field":                         func(c *Config) { c.Field = "" },
		"exactly one":                   func(c *Config) { c.Token = secret.Value{} },
		"exactly one of token, approle": func(c *Config) { c.Kubernetes = &connection.Kubernetes{Role: "r"} },
		"approle.role_id":               func(c *Config) { c.Token, c.AppRole = secret.Value{}, &connection.AppRole{} },
		"approle.secret_id":             func(c *Config) { c.Token, c.AppRole = secret.Value{}, &connection.AppRole{RoleID: "r"} },
		"approle.mount":                 func(c *Config) { c.Token, c.AppRole = secret.Value{}, &connection.AppRole{Mount: "a//b"} },
		"kubernetes.role":               func(c *Config) { c.Token, c.Kubernetes = secret.Value{}, &connection.Kubernetes{} },
		"jwt: want exactly one":         func(c *Config) { c.Token, c.JWT = secret.Value{}, &connection.JWT{} },
		"jwt: want exactly": func(c *Config) {
			c.Token, c.JWT = secret.Value{}, &connection.JWT{Token: secret.TextValue("x"), TokenFile: "y"}
		},
		"cert: needs": func(c *Config) { c.Token, c.Cert = secret.Value{}, &connection.Cert{} },
		"cert.mount":  func(c *Config) { c.Token, c.Cert = secret.Value{}, &connection.Cert{Mount: ".."} },
		"tls":         func(c *Config) { c.TLS.CertFile = "x" },
	} {
		c := good()
		spoil(c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error that says %q, got %v", want, err)
		}
	}
}

// TestAppRoleStorm: many requests whose token went log in once, and none logs
// in after Close.
func TestAppRoleStorm(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("x"))
	role := f.server.NewAppRole(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)), map[string]any{"token_ttl": "1h"})
	f.conf.Token = secret.Value{}
	f.conf.AppRole = &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	const callers = 8
	var logins, waiting atomic.Int64
	var gather atomic.Bool
	w := new(watched)
	wire, all := w.around(kvtest.NewWire(t)), make(chan struct{})
	s := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/login") {
			logins.Add(1)
			return wire.RoundTrip(r)
		}
		if gather.Load() { // let all go out with the token that went
			if waiting.Add(1) == callers {
				gather.Store(false)
				close(all)
			}
			<-all
		}
		return wire.RoundTrip(r)
	}))
	if _, err := s.Describe(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	w.revoke(t, f)
	gather.Store(true)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if _, err := s.Describe(t.Context(), "s"); err != nil {
				t.Errorf("Describe after the token went: %v", err)
			}
		})
	}
	wg.Wait()
	if n := logins.Load(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Describe(t.Context(), "s"); !errors.Is(err, secret.Unavailable) || logins.Load() != 2 {
		t.Errorf("Describe after Close: %v, after %d logins", err, logins.Load())
	}
}

// TestCloseLeavesNothing: the renewal of a token ends with the store.
func TestCloseLeavesNothing(t *testing.T) {
	f := newFixture(t)
	role := f.server.NewAppRole(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)), map[string]any{"token_ttl": "1h"})
	f.conf.Token = secret.Value{}
	f.conf.AppRole = &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	renewals := func() int {
		stacks := make([]byte, 1<<20)
		return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "(*LifetimeWatcher)")
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	none := func(when string) {
		t.Helper()
		for range 60_000 {
			if renewals() == 0 {
				return
			}
			<-tick.C
		}
		t.Fatalf("%s %d renewals go on", when, renewals())
	}
	none("after other tests") // whose stores are closed
	var stores []*kv2.Store
	for range 4 {
		s := f.open(t, nil)
		if _, err := s.List(t.Context(), secret.Query{}); err != nil {
			t.Fatal(err)
		}
		stores = append(stores, s)
	}
	for seen := 0; seen == 0; seen = renewals() { // each begins beside the call that logged in
		<-tick.C
	}
	for _, s := range stores {
		_ = s.Close()
	}
	none("after Close")
}
