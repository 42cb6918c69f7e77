package hashivault

import (
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// credentials opens the store and waits until it reports what is wanted.
func (f *fixture) credentials(t *testing.T, use bool, want func([]backends.Credential) bool) {
	t.Helper()
	b, err := open(t.Context(), backends.Env{Store: "main", Now: time.Now}, &f.conf)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if use {
		_, _ = b.Get(t.Context(), "not-there", secret.Current)
	}
	var got []backends.Credential
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if got = b.(backends.CredentialReporter).Credentials(); want(got) {
			return
		}
	}
	t.Errorf("the store reports %+v", got)
}

const patience = 30 * time.Second

// is wants one credential that ends within the hour that it was made for.
func is(key string, renewed bool) func([]backends.Credential) bool {
	begun := time.Now()
	return func(got []backends.Credential) bool {
		return len(got) == 1 && got[0].Kind == backends.CredentialToken && got[0].Key == key && got[0].Renewed == renewed &&
			got[0].Ends.After(begun.Add(time.Hour-patience)) && got[0].Ends.Before(time.Now().Add(time.Hour+time.Second))
	}
}

// TestTokenEnds: of a token the store says when it ends, and whether anybody has to
// do something then. Vault tells so of a token that is renewed as far as it may be.
func TestTokenEnds(t *testing.T) {
	f := newFixture(t)
	policy := f.server.Policy(t, kvtest.Policy(f.conf.Mount))
	no := false
	for what, tt := range map[string]struct {
		made    api.TokenCreateRequest
		renewed bool
	}{
		"not renewable":        {api.TokenCreateRequest{TTL: "1h", Renewable: &no}, false},
		"periodic":             {api.TokenCreateRequest{Period: "1h"}, true},
		"renewable":            {api.TokenCreateRequest{TTL: "1h"}, true},
		"with an explicit end": {api.TokenCreateRequest{TTL: "1h", ExplicitMaxTTL: "1h"}, false},
	} {
		tt.made.Policies = []string{policy, "default"}
		made, err := f.native.Auth().Token().Create(&tt.made)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(what)
		f.conf.Token = secret.TextValue(made.Auth.ClientToken)
		f.credentials(t, false, is("token", tt.renewed))
	}
	f.conf.Token = secret.TextValue(vaulttest.RootToken)
	f.credentials(t, true, func(got []backends.Credential) bool { return len(got) == 0 })
}

// TestLoginEnds: a login's token is followed by another one; what the configuration
// logs in with is not.
func TestLoginEnds(t *testing.T) {
	f, signer := newFixture(t), newIssuer(t)
	role := f.server.NewAppRole(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)), map[string]any{"token_ttl": "1h"})
	f.conf.Token = secret.Value{}
	f.conf.AppRole = &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	f.credentials(t, true, is("approle", true))

	f.conf.AppRole, f.conf.JWT = nil, &connection.JWT{Role: "gateway", Token: secret.TextValue(signer.sign(t, time.Hour) + "\n")}
	f.credentials(t, false, is("jwt.token", false))
}
