package vaultferrytest_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/vaultferrytest"
)

// sdk is a client as an application has it: it logs in, and reads.
func sdk(t *testing.T, g *vaultferrytest.Gateway, store string) *azsecrets.Client {
	t.Helper()
	o := azcore.ClientOptions{Transport: g.Client, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: g.LoginURL()}}
	cred, err := azidentity.NewClientSecretCredential("adfs", g.ClientID, g.ClientSecret, &azidentity.ClientSecretCredentialOptions{
		ClientOptions: o, DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := azsecrets.NewClient(g.VaultURL(store), cred, &azsecrets.ClientOptions{ClientOptions: o})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNew(t *testing.T) {
	t.Parallel()
	g := vaultferrytest.New(t, vaultferrytest.Options{
		Secrets: map[string]map[string]string{"a": {"greeting": "hello"}},
		Allow:   []string{"Key Vault Secrets User"}, Names: []string{"greet*"},
	})
	c := sdk(t, g, "a")
	got, err := c.GetSecret(t.Context(), "greeting", "", nil)
	if err != nil || *got.Value != "hello" {
		t.Fatalf("%v", err)
	}
	value := "new"
	_, err = c.SetSecret(t.Context(), "greeting", azsecrets.SetSecretParameters{Value: &value}, nil)
	if refused, ok := errors.AsType[*azcore.ResponseError](err); !ok || refused.StatusCode != http.StatusForbidden {
		t.Errorf("a write that the caller may not do: %v", err)
	}
	g.Set(t, "a", "greeting", value)
	if got := g.Get(t, "a", "greeting"); got != value {
		t.Errorf("it holds %q", got)
	}

	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.CSMSURL()+"/v1/"+g.Project("a")+"/secrets/greeting/versions/latest", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("X-Auth-Token", g.Token)
	resp, err := g.Client.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("CSMS: %s", resp.Status)
	}
}

// refusing is a test that fails before it begins.
type refusing struct {
	testing.TB
	said string
}

func (*refusing) Helper() {}

func (r *refusing) Fatalf(format string, _ ...any) {
	r.said = format
	panic(r)
}

// TestMisspelt: what cannot be meant fails the test that says it.
func TestMisspelt(t *testing.T) {
	t.Parallel()
	r := &refusing{TB: t}
	func() {
		defer func() { _ = recover() }()
		vaultferrytest.New(r, vaultferrytest.Options{Allow: []string{"gte"}})
	}()
	if !strings.Contains(r.said, "unknown action") {
		t.Errorf("%q", r.said)
	}
}
