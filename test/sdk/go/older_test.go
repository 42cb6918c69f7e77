// Package older drives clients of Azure's that are no longer made and still
// run, as external-secrets does without its newer SDK: they know a resource
// and no scope. The gateway is told by the environment; see internal/e2e.
package older

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-autorest/autorest"
	"github.com/Azure/go-autorest/autorest/adal"
)

// direct finds the hosts below vault.localhost on this machine, as a line in
// the hosts file would make it.
func direct(ctx context.Context, network, address string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".vault.localhost") {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	return new(net.Dialer).DialContext(ctx, network, address)
}

var client = &http.Client{Transport: &http.Transport{DialContext: direct, ForceAttemptHTTP2: true}}

type world struct {
	Vaults   map[string]string `json:"vaults"`
	Identity map[string]string `json:"identity"`
}

func worldOf(t *testing.T) world {
	t.Helper()
	var w world
	if err := json.Unmarshal([]byte(os.Getenv("WORLD")), &w); err != nil {
		t.Fatal("WORLD names no vaults:", err)
	}
	return w
}

func vault(t *testing.T) string {
	t.Helper()
	return worldOf(t).Vaults["one"]
}

func principal(t *testing.T, tenant, resource, secret string) *adal.ServicePrincipalToken {
	t.Helper()
	config, err := adal.NewOAuthConfig(os.Getenv("AZURE_AUTHORITY_HOST"), tenant)
	if err != nil {
		t.Fatal(err)
	}
	token, err := adal.NewServicePrincipalToken(*config, os.Getenv("AZURE_CLIENT_ID"), secret, resource)
	if err != nil {
		t.Fatal(err)
	}
	token.SetSender(client)
	return token
}

// resourceOf is the parent of the vault's host, which its challenge names.
func resourceOf(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(vault(t))
	if err != nil {
		t.Fatal(err)
	}
	_, parent, _ := strings.Cut(u.Host, ".")
	return "https://" + parent
}

func TestServicePrincipal(t *testing.T) {
	for _, slash := range []string{"", "/"} {
		token := principal(t, os.Getenv("AZURE_TENANT_ID"), resourceOf(t)+slash, os.Getenv("AZURE_CLIENT_SECRET"))
		if err := token.EnsureFresh(); err != nil {
			t.Fatal(err)
		}
		got := token.Token()
		if left := time.Until(got.Expires()); left < 50*time.Minute || left > time.Hour || got.Type != "Bearer" || got.Resource != resourceOf(t) || got.IsExpired() {
			t.Errorf("a %s token for %s, with %s left", got.Type, got.Resource, left)
		}
		ask(t, autorest.NewBearerAuthorizer(token), http.StatusOK)
	}
}

// TestChallenge lets the library ask the vault what to log in for.
func TestChallenge(t *testing.T) {
	ask(t, autorest.NewBearerAuthorizerCallback(client, func(tenant, resource string) (*autorest.BearerAuthorizer, error) {
		return autorest.NewBearerAuthorizer(principal(t, tenant, resource, os.Getenv("AZURE_CLIENT_SECRET"))), nil
	}), http.StatusOK)
}

// TestManagedIdentity is external-secrets' and other programs' on a machine of App
// Service's kind, by MSI_ENDPOINT and MSI_SECRET.
func TestManagedIdentity(t *testing.T) {
	id := worldOf(t).Identity
	t.Setenv("MSI_ENDPOINT", id["IDENTITY_ENDPOINT"])
	t.Setenv("MSI_SECRET", id["IDENTITY_HEADER"])
	for name, options := range map[string]*adal.ManagedIdentityOptions{"of the system": nil, "by its client id": {ClientID: id["client"]}} {
		token, err := adal.NewServicePrincipalTokenFromManagedIdentity(resourceOf(t), options)
		if err != nil {
			t.Fatal(err)
		}
		if err := token.EnsureFresh(); err != nil {
			t.Fatal(name, err)
		}
		got := token.Token()
		if left := time.Until(got.Expires()); left < 50*time.Minute || left > time.Hour || got.Type != "Bearer" || got.IsExpired() {
			t.Errorf("%s: a %s token with %s left", name, got.Type, left)
		}
		ask(t, autorest.NewBearerAuthorizer(token), http.StatusOK)
	}
	other, err := adal.NewServicePrincipalTokenFromManagedIdentity(resourceOf(t), &adal.ManagedIdentityOptions{ClientID: "another"})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.RefreshWithContext(t.Context()); err == nil {
		t.Error("another identity has a token")
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ tenant, secret, says string }{
		"a wrong secret": {os.Getenv("AZURE_TENANT_ID"), "wrong", "AADSTS7000215"},
		"another tenant": {"11111111-2222-3333-4444-555555555555", os.Getenv("AZURE_CLIENT_SECRET"), "the tenant id adfs"},
	} {
		err := principal(t, c.tenant, resourceOf(t), c.secret).RefreshWithContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// ask lists the secrets, with what the authorizer adds to the request.
func ask(t *testing.T, a autorest.Authorizer, want int) {
	t.Helper()
	r, err := autorest.Prepare(new(http.Request), autorest.AsGet(), autorest.WithBaseURL(vault(t)), autorest.WithPath("secrets"),
		autorest.WithQueryParameters(map[string]any{"api-version": "7.0"}), a.WithAuthorization())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != want {
		t.Errorf("%s: %d", r.URL, answer.StatusCode)
	}
}
