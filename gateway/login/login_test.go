package login_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/login"
)

func TestDiscovery(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	for target, want := range map[string]string{
		base + "/adfs/.well-known/openid-configuration?":                          base,
		base + "/adfs/v2.0/.well-known/openid-configuration":                      base,
		base + "/adfs/contoso/.well-known/openid-configuration":                   base,
		"https://Login.Vault.LocalHost./adfs/.well-known/openid-configuration":    "https://" + host,
		"https://login.vault.localhost:443/adfs/.well-known/openid-configuration": "https://" + host,
	} {
		w := d.do(t, http.MethodGet, target, "")
		var doc map[string]any
		if w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &doc) != nil {
			t.Fatalf("%s: %d", target, w.Code)
		}
		for member, path := range map[string]string{
			"issuer": "/adfs", "token_endpoint": "/adfs/oauth2/v2.0/token",
			"authorization_endpoint": "/adfs/oauth2/v2.0/authorize", "jwks_uri": "/adfs/discovery/keys",
		} {
			if doc[member] != want+path {
				t.Errorf("%s: %s is %v", target, member, doc[member])
			}
		}
	}
}

func TestOtherHostsAreNotOurs(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	for _, target := range []string{"https://a.vault.localhost/adfs/discovery/keys", "https://vault.localhost/x", "https://" + host + ".evil/adfs/discovery/keys"} {
		if w := d.do(t, http.MethodGet, target, ""); w.Code != http.StatusTeapot {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	forged := func(r *http.Request) { r.Host = host + `:8443" x="` }
	if w := d.do(t, http.MethodGet, base+"/adfs/.well-known/openid-configuration", "", forged); w.Code != http.StatusTeapot {
		t.Errorf("a port that is none: %d", w.Code)
	}
}

// What a stranger needs to verify a token stands in the key set.
func TestKeysVerifyTokens(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{backup.AlgEdDSA, backup.AlgES256} {
		ring, err := backup.NewKeyringOf(backup.AlgA256KW, alg)
		if err != nil {
			t.Fatal(err)
		}
		d := newDesk(t, ring)
		w := d.do(t, http.MethodGet, base+"/adfs/discovery/keys", "")
		if strings.Contains(w.Body.String(), `"d"`) || strings.Contains(w.Body.String(), `"k"`) {
			t.Fatal("a private key is shown")
		}
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || len(set.Keys) != 1 {
			t.Fatalf("%s: %d keys: %v", alg, len(set.Keys), err)
		}
		jws, err := jose.ParseSignedCompact(d.token(t), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := jws.Verify(set)
		if err != nil {
			t.Fatal(err)
		}
		var c map[string]any
		if err := json.Unmarshal(payload, &c); err != nil {
			t.Fatal(err)
		}
		for claim, want := range map[string]any{
			"iss": base + "/adfs", "aud": resource, "sub": "ci", "appid": "ci+cd",
			"iat": 1.7e9, "nbf": 1.7e9, "exp": 1.7e9 + 3600,
		} {
			if c[claim] != want {
				t.Errorf("%s: %s is %v, want %v", alg, claim, c[claim], want)
			}
		}
		if id, _ := c["jti"].(string); len(id) != 36 || len(c) != 9 {
			t.Errorf("%s: %d claims, a jti of %d characters", alg, len(c), len(id))
		}
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	d := newDesk(t, backup.NewKeyring())
	for _, c := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"GET", "/", 404, "invalid_request"},
		{"GET", "/contoso/v2.0/.well-known/openid-configuration", 404, "invalid_request"},
		{"GET", "/adfs/a%2Fb/x/.well-known/openid-configuration", 404, "invalid_request"},
		{"GET", "/secrets/x", 404, "invalid_request"},
		{"GET", "/v1/p/secrets", 404, "invalid_request"},
		{"GET", "/adfs/oauth2/v2.0/token", 405, "invalid_request"},
		{"DELETE", "/adfs/discovery/keys", 405, "invalid_request"},
		{"GET", "/adfs/oauth2/v2.0/authorize?response_type=code", 400, "unsupported_response_type"},
	} {
		w := d.do(t, c.method, base+c.path, "")
		if e := errorOf(t, w); w.Code != c.status || e.Code != c.code {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, e.Code)
		}
	}
	last := d.audit.Entries(t)
	if n := len(last); n != 8 || last[0].Op != "login.Unknown" || last[0].Via != login.Via || last[n-1].Result != "unsupported" {
		t.Error("the audit tells another story")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	unsigned, err := backup.NewKeyringOf(backup.AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	_, err = login.New(login.Options{Keyring: unsigned, Host: "*.x", Clients: []login.Client{{ID: "a", Caller: "c"}, {ID: "a", Caller: "d"}, {ID: "b"}}})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`"*.x" is not a host name`, `client "a"`, `client "b"`, "no key of the keyring signs"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not tell of %s", err, want)
		}
	}
}
