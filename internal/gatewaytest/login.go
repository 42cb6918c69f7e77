package gatewaytest

import (
	"crypto/sha256"
	"net"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/gateway/login"
)

// LoginHost is where a Gateway hands out tokens.
const LoginHost = "login.vault.localhost"

// LoginURL is what clients are given as AZURE_AUTHORITY_HOST.
func (g *Gateway) LoginURL() string {
	_, port, _ := net.SplitHostPort(g.Address)
	return "https://" + net.JoinHostPort(LoginHost, port)
}

// Environment is all that a program of Azure's needs to log in, beside the
// trust in CAPEM.
func (g *Gateway) Environment() map[string]string {
	return map[string]string{
		"AZURE_TENANT_ID": login.Tenant, "AZURE_AUTHORITY_HOST": g.LoginURL(),
		"AZURE_CLIENT_ID": g.ClientID, "AZURE_CLIENT_SECRET": g.ClientSecret,
	}
}

// IdentityEnvironment is what a program on this machine needs to get tokens of
// the caller's managed identity. It starts the listener.
func (g *Gateway) IdentityEnvironment(t testing.TB) map[string]string {
	t.Helper()
	s := httptest.NewServer(g.identity)
	t.Cleanup(s.Close)
	return map[string]string{"IDENTITY_ENDPOINT": s.URL + "/msi/token", "IDENTITY_HEADER": g.IdentityHeader}
}

// newLogin lets the caller log in, and makes c accept the tokens.
func (g *Gateway) newLogin(t testing.TB, o Options, c *access.Credentials, throttle *access.Throttle, limits *wire.Limits, issuers *issuer.Set) *login.Login {
	t.Helper()
	if g.ClientID, g.ClientSecret = o.ClientID, o.ClientSecret; g.ClientID == "" {
		g.ClientID, g.ClientSecret = "client-"+uuid.NewString()[:8], uuid.NewString()
	}
	g.IdentityHeader = uuid.NewString()
	l, err := login.New(login.Options{
		Identities: []login.Identity{{ID: g.ClientID, Header: sha256.Sum256([]byte(g.IdentityHeader)), Caller: Caller}},
		Service:    g.Service, Credentials: c, Keyring: g.Keyring, Host: LoginHost, Throttle: throttle, Limits: limits, Log: o.Log, Now: o.Now,
		Clients:  append([]login.Client{{ID: g.ClientID, Secret: sha256.Sum256([]byte(g.ClientSecret)), Strong: access.Strong([]byte(g.ClientSecret)), Caller: Caller}}, o.Clients...),
		Issuers:  issuers,
		Resource: func(resource string) bool { return strings.HasPrefix(resource, "https://") },
	})
	must(t, err)
	c.Trust(l.Verify)
	g.identity = l.IdentityEndpoint()
	return l
}
