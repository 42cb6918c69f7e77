package azurekv

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/vaultferry/vaultferry/secret"
)

// credentialError marks a failure to get a token, so that it is told from one
// of the vault. Its text is the library's: for logs alone.
type credentialError struct{ err error }

func (e *credentialError) Error() string { return "no token: " + e.err.Error() }
func (e *credentialError) Unwrap() error { return e.err }

// marked is a credential whose errors are credentialErrors.
type marked struct{ azcore.TokenCredential }

func (m marked) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := m.TokenCredential.GetToken(ctx, o)
	if err != nil {
		return azcore.AccessToken{}, &credentialError{err}
	}
	return t, nil
}

// newCredential makes the credential. Every kind but default and cli gets its
// authority from here and not from the environment.
func newCredential(c *Credential, transport policy.Transporter) (azcore.TokenCredential, error) {
	o := azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: c.Authority},
		Transport: transport,
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}
	private := c.Authority != "" // the public cloud knows nothing of it
	if !private && c.Kind != "default" {
		o.Cloud = cloud.AzurePublic
	}
	switch c.Kind {
	case "client_secret":
		return azidentity.NewClientSecretCredential(c.TenantID, c.ClientID, string(c.ClientSecret.Reveal()),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: private})
	case "workload_identity":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: o, TenantID: c.TenantID, ClientID: c.ClientID, TokenFilePath: c.TokenFile, DisableInstanceDiscovery: private,
		})
	case "managed_identity":
		m := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: o}
		if c.ClientID != "" {
			m.ID = azidentity.ClientID(c.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(m)
	case "cli":
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: c.TenantID})
	case "token":
		return bearer{token: c.Token, file: c.TokenFile}, nil
	}
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: o, TenantID: c.TenantID, DisableInstanceDiscovery: private,
	})
}

// bearer is a token that nobody has to ask for.
type bearer struct {
	token secret.Value
	file  string
}

// bearerLife is how long the client may keep a token from a file. Its policy
// asks again from five minutes before the end, so about once a minute.
const bearerLife = 6 * time.Minute

// GetToken implements azcore.TokenCredential. Scopes mean nothing here.
func (b bearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token := string(b.token.Reveal())
	if b.file != "" {
		raw, err := os.ReadFile(b.file)
		if err != nil {
			return azcore.AccessToken{}, err
		}
		if token = strings.TrimSpace(string(raw)); token == "" {
			return azcore.AccessToken{}, errors.New("the token file is empty")
		}
	}
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(bearerLife)}, nil
}
