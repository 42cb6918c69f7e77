// Package vaultferrytest runs a gateway inside a Go test: the real one, with both
// APIs over TLS on a loopback port, over stores in memory. It stops with its test.
//
//	g := vaultferrytest.New(t, vaultferrytest.Options{
//		Secrets: map[string]map[string]string{"a": {"greeting": "hello"}},
//	})
//	client, err := azsecrets.NewClient(g.VaultURL("a"), credential, &azsecrets.ClientOptions{
//		ClientOptions: azcore.ClientOptions{Transport: g.Client},
//	})
//
// Names of stores, hosts and projects are those of vaultferry serve --dev.
package vaultferrytest

import (
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// Options say what differs from a gateway with two empty stores, "a" and "b", whose
// one caller may do everything.
type Options struct {
	// Stores are the names of the stores.
	Stores []string
	// Secrets are there when the gateway begins, by store and name.
	Secrets map[string]map[string]string
	// Allow is what the caller may do, in the words of the policy: "get", "Secrets
	// User", "csms:secret:get".
	Allow []string
	// Names are the patterns of names that Allow is about; default: all.
	Names []string
}

// Gateway is a running gateway, and what its clients need. It is safe for concurrent
// use.
type Gateway struct {
	// Client trusts the gateway's CA alone, and finds every host of the gateway
	// without a name server. SDKs take it as their transport.
	Client *http.Client
	// CA is what other clients are to trust, and CAPEM the same as a file has it.
	CA    *x509.CertPool
	CAPEM []byte
	// Address is where the gateway listens: HOST:PORT.
	Address string

	// Token is a bearer token of the caller.
	Token string
	// AccessKey and SecretKey sign requests to the API of CSMS.
	AccessKey, SecretKey string
	// ClientID and ClientSecret log in at LoginURL, for the tenant "adfs".
	ClientID, ClientSecret string

	run *gatewaytest.Gateway
}

// New starts a gateway, and fails the test if it cannot.
func New(t testing.TB, o Options) *Gateway {
	t.Helper()
	if len(o.Stores) == 0 {
		o.Stores = []string{"a", "b"}
	}
	rule := access.Rule{Callers: []string{gatewaytest.Caller}, Allow: o.Allow, Stores: []string{"*"}, Names: o.Names}
	if len(rule.Allow) == 0 {
		rule.Allow = []string{"*"}
	}
	if len(rule.Names) == 0 {
		rule.Names = []string{"*"}
	}
	for _, word := range rule.Allow {
		if access.Meaning(word) == nil {
			t.Fatalf("vaultferrytest: Options.Allow: unknown action %q", word)
		}
	}
	run := gatewaytest.New(t, gatewaytest.Options{Stores: gatewaytest.MemoryStores(o.Stores...), Policy: []access.Rule{rule}})
	g := &Gateway{
		Client: run.Client, CA: run.CA, CAPEM: run.CAPEM, Address: run.Address, Token: run.Token,
		AccessKey: run.AccessKey, SecretKey: run.SecretKey, ClientID: run.ClientID, ClientSecret: run.ClientSecret, run: run,
	}
	for store, secrets := range o.Secrets {
		for name, value := range secrets {
			g.Set(t, store, name, value)
		}
	}
	return g
}

// local is who runs commands beside a gateway, who may do everything.
func local(op string) gateway.Call {
	return gateway.Call{Caller: access.Local("test"), Op: "cli." + op, RequestID: "vaultferrytest"}
}

// Set writes a version of a secret, whatever the caller may do, and fails the test
// if it cannot.
func (g *Gateway) Set(t testing.TB, store, name, value string) {
	t.Helper()
	_, err := g.run.Service.Put(t.Context(), local("set"), gateway.Ref{Store: store, Name: secret.Name(name)}, secret.Draft{Value: secret.TextValue(value)})
	if err != nil {
		t.Fatalf("vaultferrytest: set %s in %s: %v", name, store, err)
	}
}

// Get reads the current value of a secret, likewise.
func (g *Gateway) Get(t testing.TB, store, name string) string {
	t.Helper()
	s, err := g.run.Service.Get(t.Context(), local("get"), gateway.Ref{Store: store, Name: secret.Name(name)}, secret.Current)
	if err != nil {
		t.Fatalf("vaultferrytest: get %s in %s: %v", name, store, err)
	}
	return string(s.Newest().Value.Reveal())
}

// VaultURL is where clients of Key Vault find the store.
func (g *Gateway) VaultURL(store string) string { return g.run.VaultURL(store) }

// CSMSURL is where clients of CSMS find every store; Project tells which.
func (g *Gateway) CSMSURL() string { return g.run.Endpoint() }

// Project is the project id that leads clients of CSMS to the store.
func (g *Gateway) Project(store string) string { return gatewaytest.Project(store) }

// LoginURL is what clients of Key Vault are given as AZURE_AUTHORITY_HOST.
func (g *Gateway) LoginURL() string { return g.run.LoginURL() }
