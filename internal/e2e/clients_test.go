package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// client is one vendor's SDK, reduced to what both can do.
type client interface {
	// backup returns what the SDK's own type holds, and restore takes it.
	backup(ctx context.Context, name string) ([]byte, error)
	restore(ctx context.Context, blob []byte) (name string, err error)
	// read returns the version's value under the id that this vendor's
	// clients know it by.
	read(ctx context.Context, name string, v *secret.Version) ([]byte, error)
	// create makes a secret, list names all, and current returns the text that
	// is current.
	create(ctx context.Context, name, value string) error
	list(ctx context.Context) ([]string, error)
	current(ctx context.Context, name string) (string, error)
}

// dialects makes a client of each vendor's SDK for a store.
var dialects = map[string]func(testing.TB, *gatewaytest.Gateway, string) client{
	"azure":  newAzure,
	"huawei": newHuawei,
}

type azureClient struct{ c *azsecrets.Client }

type token string

func (s token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// newAzure leaves the vendor's verification of the challenge on.
func newAzure(t testing.TB, g *gatewaytest.Gateway, store string) client {
	t.Helper()
	c, err := azsecrets.NewClient(g.VaultURL(store), token(g.Token), &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: g.Client, Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return azureClient{c}
}

func (a azureClient) backup(ctx context.Context, name string) ([]byte, error) {
	out, err := a.c.BackupSecret(ctx, name, nil)
	return out.Value, err
}

func (a azureClient) restore(ctx context.Context, blob []byte) (string, error) {
	out, err := a.c.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil)
	if err != nil {
		return "", err
	}
	return out.ID.Name(), nil
}

func (a azureClient) read(ctx context.Context, name string, v *secret.Version) ([]byte, error) {
	out, err := a.c.GetSecret(ctx, name, v.UID.String(), nil)
	if err != nil {
		return nil, err
	}
	if v.Value.Form() == secret.Binary { // this API knows text alone
		return base64.StdEncoding.DecodeString(*out.Value)
	}
	return []byte(*out.Value), nil
}

func (a azureClient) create(ctx context.Context, name, value string) error {
	_, err := a.c.SetSecret(ctx, name, azsecrets.SetSecretParameters{Value: &value}, nil)
	return err
}

func (a azureClient) list(ctx context.Context) ([]string, error) {
	var names []string
	for pager := a.c.NewListSecretPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range page.Value {
			names = append(names, s.ID.Name())
		}
	}
	return names, nil
}

func (a azureClient) current(ctx context.Context, name string) (string, error) {
	out, err := a.c.GetSecret(ctx, name, "", nil)
	if err != nil {
		return "", err
	}
	return *out.Value, nil
}

type huaweiClient struct{ c *csms.CsmsClient }

func newHuawei(t testing.TB, g *gatewaytest.Gateway, store string) client {
	t.Helper()
	auth, err := basic.NewCredentialsBuilder().WithAk(g.AccessKey).WithSk(g.SecretKey).
		WithProjectId(gatewaytest.Project(store)).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	transport, ok := g.Client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the gateway's client has another transport")
	}
	hc, err := csms.CsmsClientBuilder().WithEndpoint(g.Endpoint()).WithCredential(auth).
		WithHttpConfig(config.DefaultHttpConfig().WithHttpTransport(transport)).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	return huaweiClient{csms.NewCsmsClient(hc)}
}

func (h huaweiClient) backup(_ context.Context, name string) ([]byte, error) {
	out, err := h.c.DownloadSecretBlob(&model.DownloadSecretBlobRequest{SecretName: name})
	if err != nil {
		return nil, err
	}
	return []byte(*out.SecretBlob), nil
}

func (h huaweiClient) restore(_ context.Context, blob []byte) (string, error) {
	out, err := h.c.UploadSecretBlob(&model.UploadSecretBlobRequest{Body: &model.UploadSecretBlobRequestBody{SecretBlob: string(blob)}})
	if err != nil {
		return "", err
	}
	return *out.Secret.Name, nil
}

func (h huaweiClient) read(_ context.Context, name string, v *secret.Version) ([]byte, error) {
	out, err := h.c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: name, VersionId: "v" + v.Ordinal.String()})
	switch {
	case err != nil:
		return nil, err
	case out.Version.SecretBinary != nil:
		return base64.StdEncoding.DecodeString(*out.Version.SecretBinary)
	case out.Version.SecretString != nil:
		return []byte(*out.Version.SecretString), nil
	}
	return nil, errors.New("the answer holds no value")
}

func (h huaweiClient) create(_ context.Context, name, value string) error {
	_, err := h.c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: name, SecretString: &value}})
	return err
}

func (h huaweiClient) list(context.Context) ([]string, error) {
	var names []string
	for marker := (*string)(nil); ; {
		page, err := h.c.ListSecrets(&model.ListSecretsRequest{Marker: marker})
		if err != nil {
			return nil, err
		}
		for _, s := range *page.Secrets {
			names = append(names, *s.Name)
		}
		if marker = page.PageInfo.NextMarker; marker == nil {
			return names, nil
		}
	}
}

func (h huaweiClient) current(_ context.Context, name string) (string, error) {
	out, err := h.c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: name, VersionId: "latest"})
	if err != nil {
		return "", err
	}
	return *out.Version.SecretString, nil
}

// vendorError returns what the vendor's typed error carries; ok is false where
// err is none.
func vendorError(err error) (status int, message string, ok bool) {
	var az *azcore.ResponseError
	var hw *sdkerr.ServiceResponseError
	switch {
	case errors.As(err, &az):
		return az.StatusCode, az.Error(), true
	case errors.As(err, &hw):
		return hw.StatusCode, hw.ErrorMessage, true
	}
	return 0, "", false
}
