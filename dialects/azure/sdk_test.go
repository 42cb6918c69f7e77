package azure_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// credential gives the gateway's token to whoever asks for the scope that the
// challenge must have named.
type credential struct{ token, scope string }

func (c credential) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if len(o.Scopes) != 1 || o.Scopes[0] != c.scope {
		return azcore.AccessToken{}, fmt.Errorf("asked for scopes %q", o.Scopes)
	}
	return azcore.AccessToken{Token: c.token, ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// newClient has the vendor's verification of the challenge on.
func newClient(t *testing.T, g *gatewaytest.Gateway, store string) *azsecrets.Client {
	t.Helper()
	url := g.VaultURL(store)
	c, err := azsecrets.NewClient(url, credential{g.Token, "https://" + strings.SplitN(url, ".", 2)[1] + "/.default"}, &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: g.Client, Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func twoStores(t *testing.T) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})},
		{Name: "b", Kind: "memory", Backend: memory.New(memory.Options{})},
	}})
}

// TestSDK walks every operation with the vendor's client.
func TestSDK(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	a, b := newClient(t, g, "a"), newClient(t, g, "b")
	ctx := t.Context()
	exp := time.Unix(4102444800, 0).UTC()
	var ids []string
	for i, value := range []string{"first\nline", "", "third é \u2028"} {
		got, err := a.SetSecret(ctx, "DB-Pass", azsecrets.SetSecretParameters{
			Value: &value, ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"env": to.Ptr("prod")},
			SecretAttributes: &azsecrets.SecretAttributes{Expires: &exp, RecoveryLevel: to.Ptr("ignored")},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.ID.Name() != "DB-Pass" || *got.Value != value || !got.Attributes.Expires.Equal(exp) || *got.Tags["env"] != "prod" {
			t.Fatalf("version %d differs from what was set", i+1)
		}
		ids = append(ids, got.ID.Version())
	}
	blob, err := a.BackupSecret(ctx, "db-pass", nil)
	if err != nil {
		t.Fatal(err)
	}
	restored, err := b.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: blob.Value}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if restored.Value != nil || restored.ID.Version() != ids[2] || restored.ID.Name() != "DB-Pass" {
		t.Error("the answer to a restore is not the current version without its value")
	}
	for i, want := range []string{"first\nline", "", "third é \u2028"} {
		got, err := b.GetSecret(ctx, "DB-PASS", ids[i], nil)
		if err != nil || *got.Value != want || *got.ContentType != "text/plain" {
			t.Errorf("version %d did not come through: %v", i+1, err)
		}
	}
	if got, err := b.GetSecret(ctx, "db-pass", "", nil); err != nil || got.ID.Version() != ids[2] {
		t.Errorf("the current version is another one: %v", err)
	}
	for _, c := range []*azsecrets.Client{a, b} { // where it was made, and where it was restored
		_, err = c.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: blob.Value}, nil)
		wantCode(t, err, 409, "Conflict")
	}
}

func wantCode(t *testing.T, err error, status int, code string) {
	t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code {
		t.Errorf("got %v, want %d %s", err, status, code)
	}
}

func TestSDKPages(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	c := newClient(t, g, "a")
	const n = 60
	for i := range n {
		if _, err := c.SetSecret(t.Context(), fmt.Sprintf("Name-%d", i), azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.SetSecret(t.Context(), "many", azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	for p := c.NewListSecretPropertiesPager(nil); p.More(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Value {
			names = append(names, strings.ToUpper(s.ID.Name()))
			if s.ID.Version() != "" {
				t.Error("a listed id has a version")
			}
		}
	}
	wantSorted(t, names, n+1)
	var versions []string
	for p := c.NewListSecretPropertiesVersionsPager("many", nil); p.More(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Value {
			versions = append(versions, s.ID.Version())
		}
	}
	wantSorted(t, versions, n)
	p := c.NewListSecretPropertiesVersionsPager("absent", nil)
	if page, err := p.NextPage(t.Context()); err != nil || len(page.Value) != 0 || p.More() {
		t.Errorf("versions of an absent secret: %v", err)
	}
}

func wantSorted(t *testing.T, got []string, n int) {
	t.Helper()
	for i := 1; i < len(got); i++ {
		if got[i-1] >= got[i] {
			t.Errorf("%q comes before %q", got[i-1], got[i])
		}
	}
	if len(got) != n {
		t.Errorf("%d listed, want %d", len(got), n)
	}
}
