package e2e

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/pki"
)

// TestMutualTLS: a certificate proves its caller by each form, in both dialects,
// without another credential; the vendor's client, which is challenged and sends a
// token too, goes on as ever.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	ca, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	issue := func(name string) tls.Certificate {
		pair, err := ca.IssueClient([]string{name}, time.Now().Add(-time.Minute), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := pair.TLS()
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}
	pinned := issue("anything.corp.example")
	leaf, err := x509.ParseCertificate(pinned.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]access.Subject{
		"dns": {DNS: "app.corp.example"}, "uri": {URI: "urn:corp:app"}, "spiffe": {URI: spiffeID}, "email": {Email: "app@corp.example"},
		"pinned": {PublicKey: sha256.Sum256(leaf.RawSubjectPublicKeyInfo)},
	}
	shown := map[string]tls.Certificate{
		"dns": issue("App.corp.example"), "uri": issue("urn:corp:app"), "spiffe": issue(spiffeID), "email": issue("app@CORP.example"), "pinned": pinned,
	}
	g := gatewaytest.New(t, gatewaytest.Options{ClientCAs: ca.Pool(), Credentials: func(c *access.Credentials) error {
		for name, subject := range known {
			if err := c.AddCertificate(subject, access.Credential{Caller: gatewaytest.Caller, Name: name}); err != nil {
				return err
			}
		}
		return nil
	}})
	for name, cert := range shown {
		transport := g.Client.Transport.(*http.Transport).Clone() //nolint:forcetypeassert // it is
		transport.TLSClientConfig.Certificates = []tls.Certificate{cert}
		t.Cleanup(transport.CloseIdleConnections)
		client := &http.Client{Transport: transport}
		alone := func(method, target, body string) {
			t.Helper()
			before := len(g.Audit.Entries(t))
			answered(t, client, newRequest(t, method, target, body), nil)
			for _, e := range g.Audit.Entries(t)[before:] {
				if e.Caller != gatewaytest.Caller || e.Credential != "certificate:"+name {
					t.Errorf("%s: the audit has %q by %q", name, e.Caller, e.Credential)
				}
			}
		}
		alone(http.MethodPut, g.VaultURL("main")+"/secrets/"+name+"?api-version=7.4", `{"value":"x"}`)
		alone(http.MethodGet, g.VaultURL("main")+"/secrets/"+name+"?api-version=7.4", "")
		alone(http.MethodGet, g.Endpoint()+"/v1/"+gatewaytest.Project("main")+"/secrets/"+name, "")
		options := azcore.ClientOptions{Transport: client}
		credential, err := azidentity.NewClientSecretCredential("adfs", g.ClientID, g.ClientSecret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: azcore.ClientOptions{Transport: client, Cloud: cloudOf(g)},
		})
		if err != nil {
			t.Fatal(err)
		}
		c, err := azsecrets.NewClient(g.VaultURL("main"), credential, &azsecrets.ClientOptions{ClientOptions: options})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.SetSecret(t.Context(), "by-"+name, azsecrets.SetSecretParameters{Value: to.Ptr("v")}, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := c.GetSecret(t.Context(), "by-"+name, "", nil); err != nil || *got.Value != "v" {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.BackupSecret(t.Context(), "by-"+name, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if status, _, _, _ := ask(t, g, g.VaultURL("main")+"/secrets?api-version=7.4", "Authorization", "Bearer "+g.Token); status != http.StatusOK {
		t.Errorf("a token without a certificate: %d", status)
	}
}
