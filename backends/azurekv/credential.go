package azurekv

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/vaultferry/vaultferry/internal/textfile"
	"github.com/vaultferry/vaultferry/secret"
)

// credentialError marks a failure to get a token, so that it is told from one
// of the vault. Its text is the library's: for logs alone.
type credentialError struct{ err error }

func (e *credentialError) Error() string { return "no token: " + e.err.Error() }
func (e *credentialError) Unwrap() error { return e.err }

// marked is a credential whose errors are credentialErrors, and whose ends are
// known.
type marked struct {
	azcore.TokenCredential
	ends *ends
}

func (m marked) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	t, err := m.TokenCredential.GetToken(ctx, o)
	if err != nil {
		return azcore.AccessToken{}, &credentialError{err}
	}
	m.ends.got(t)
	return t, nil
}

// newCredential makes the credential. Every kind but default, environment and
// the developers' tools gets its authority from here and not from the
// environment.
func newCredential(conf *Config, transport policy.Transporter) (azcore.TokenCredential, error) {
	c := &conf.Credential
	at, known := conf.authority()
	o := azcore.ClientOptions{Cloud: at, Transport: transport, Telemetry: policy.TelemetryOptions{Disabled: true}}
	switch c.Kind {
	case "environment":
		return azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: known})
	case "client_secret":
		return azidentity.NewClientSecretCredential(c.TenantID, c.ClientID, string(c.ClientSecret.Reveal()),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: known})
	case "client_certificate":
		return newCertificate(c, o, known)
	case "workload_identity":
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: o, TenantID: c.TenantID, ClientID: c.ClientID, TokenFilePath: c.TokenFile, DisableInstanceDiscovery: known,
		})
	case "azure_pipelines":
		return azidentity.NewAzurePipelinesCredential(c.TenantID, c.ClientID, c.ServiceConnectionID, string(c.SystemAccessToken.Reveal()),
			&azidentity.AzurePipelinesCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: known})
	case "managed_identity":
		return azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: o, ID: c.identity()})
	case "cli":
		return azidentity.NewAzureCLICredential(&azidentity.AzureCLICredentialOptions{TenantID: c.TenantID, Subscription: c.Subscription})
	case "developer_cli":
		return azidentity.NewAzureDeveloperCLICredential(&azidentity.AzureDeveloperCLICredentialOptions{TenantID: c.TenantID})
	case "powershell":
		return azidentity.NewAzurePowerShellCredential(&azidentity.AzurePowerShellCredentialOptions{TenantID: c.TenantID})
	case "token":
		return bearer{token: c.Token, file: c.TokenFile}, nil
	}
	return azidentity.NewDefaultAzureCredential(&azidentity.DefaultAzureCredentialOptions{
		ClientOptions: o, TenantID: c.TenantID, DisableInstanceDiscovery: known,
	})
}

// certificate reads certificate_file.
func (c *Credential) certificate() ([]*x509.Certificate, crypto.PrivateKey, error) {
	raw, err := os.ReadFile(c.CertificateFile)
	if err != nil {
		return nil, nil, fmt.Errorf("credential.certificate_file: %w", err)
	}
	if raw, err = textfile.Decode(raw); err != nil { // PKCS#12 stays as it is
		return nil, nil, fmt.Errorf("credential.certificate_file: %w", err)
	}
	certs, key, err := azidentity.ParseCertificates(raw, c.CertificatePassword.Reveal())
	if err != nil {
		return nil, nil, errors.New("credential.certificate_file: holds no certificate with its RSA key that can be read, or certificate_password is not its password")
	}
	return certs, key, nil
}

func newCertificate(c *Credential, o azcore.ClientOptions, known bool) (azcore.TokenCredential, error) {
	certs, key, err := c.certificate()
	if err != nil {
		return nil, err
	}
	return azidentity.NewClientCertificateCredential(c.TenantID, c.ClientID, certs, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: o, DisableInstanceDiscovery: known, SendCertificateChain: c.SendCertificateChain,
	})
}

// identity is the user-assigned managed identity, or nil: the machine's own.
func (c *Credential) identity() azidentity.ManagedIDKind {
	switch {
	case c.ClientID != "":
		return azidentity.ClientID(c.ClientID)
	case c.ObjectID != "":
		return azidentity.ObjectID(c.ObjectID)
	case c.ResourceID != "":
		return azidentity.ResourceID(c.ResourceID)
	}
	return nil
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
		text, err := os.ReadFile(b.file)
		if err != nil {
			return azcore.AccessToken{}, err
		}
		if text, err = textfile.Decode(text); err == nil {
			text, err = textfile.Credential(bytes.TrimSpace(text))
		}
		if err != nil {
			return azcore.AccessToken{}, fmt.Errorf("the token file: %w", err)
		}
		token = string(text)
	}
	return azcore.AccessToken{Token: token, ExpiresOn: time.Now().Add(bearerLife)}, nil
}
