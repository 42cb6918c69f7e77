package azurekv

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// Credential is how the gateway proves to Entra, or to a private endpoint, who
// it is. The kinds are those of the vendor's library that need no person at a
// screen. `default` tries the environment, workload identity, managed identity
// and the developers' tools in turn; `AZURE_TOKEN_CREDENTIALS` narrows that.
type Credential struct {
	// Kind is one of the ways in the table below.
	Kind string `mapstructure:"kind" example:"managed_identity"`
	// Authority is the URL of the host that issues tokens, for private clouds.
	Authority string `mapstructure:"authority" default:"that of the cloud" example:"https://login.private.example/"`
	// TenantID is the tenant's id.
	TenantID string `mapstructure:"tenant_id" example:"11111111-2222-3333-4444-555555555555"`
	// ClientID is the application's id, or that of a user-assigned managed identity.
	ClientID string `mapstructure:"client_id" example:"66666666-7777-8888-9999-000000000000"`
	// ClientSecret is the application's secret.
	ClientSecret secret.Value `mapstructure:"client_secret"`
	// CertificateFile is a file with a certificate and its RSA key, as PEM or PKCS #12, which is read when the gateway
	// starts.
	CertificateFile string `mapstructure:"certificate_file" path:"true" example:"tls/app.pem"`
	// CertificatePassword is the password of `certificate_file`.
	CertificatePassword secret.Value `mapstructure:"certificate_password"`
	// SendCertificateChain is for applications that trust the certificate's subject and issuer and not one certificate.
	SendCertificateChain bool `mapstructure:"send_certificate_chain"`
	// ObjectID is the object id of a user-assigned managed identity.
	ObjectID string `mapstructure:"object_id" example:"66666666-7777-8888-9999-000000000000"`
	// ResourceID is the resource id of a user-assigned managed identity.
	ResourceID string `mapstructure:"resource_id" example:"/subscriptions/S/resourceGroups/G/providers/Microsoft.ManagedIdentity/userAssignedIdentities/N"`
	// ServiceConnectionID is the id of the service connection of an Azure Pipeline.
	ServiceConnectionID string `mapstructure:"service_connection_id" example:"66666666-7777-8888-9999-000000000000"`
	// SystemAccessToken is the `System.AccessToken` of an Azure Pipeline.
	SystemAccessToken secret.Value `mapstructure:"system_access_token"`
	// Subscription is the name or id of the subscription whose account the Azure CLI uses.
	Subscription string `mapstructure:"subscription" example:"Pay-As-You-Go"`
	// Token is a fixed bearer token, for private endpoints.
	Token secret.Value `mapstructure:"token"`
	// TokenFile is a file that is read whenever a token is wanted: the federated token of `workload_identity`, or a
	// bearer token that another program renews.
	TokenFile string `mapstructure:"token_file" path:"true" loaded:"false" example:"/var/run/secrets/azure/tokens/azure-identity-token"`
}

// needs lists the keys that each kind wants, and those that it may have.
var needs = map[string]struct{ must, may []string }{
	"default":            {nil, []string{"authority", "tenant_id"}},
	"environment":        {nil, []string{"authority"}},
	"client_secret":      {[]string{"tenant_id", "client_id", "client_secret"}, []string{"authority"}},
	"client_certificate": {[]string{"tenant_id", "client_id", "certificate_file"}, []string{"authority", "certificate_password", "send_certificate_chain"}},
	"workload_identity":  {[]string{"tenant_id", "client_id", "token_file"}, []string{"authority"}},
	"azure_pipelines":    {[]string{"tenant_id", "client_id", "service_connection_id", "system_access_token"}, []string{"authority"}},
	"managed_identity":   {nil, []string{"client_id", "object_id", "resource_id"}},
	"cli":                {nil, []string{"tenant_id", "subscription"}},
	"developer_cli":      {nil, []string{"tenant_id"}},
	"powershell":         {nil, []string{"tenant_id"}},
	"token":              {nil, []string{"token", "token_file"}},
}

// Needs lists, for each word of kind, the keys that it needs and those that it
// may have. It has no others.
func (*Credential) Needs() (must, may map[string][]string) {
	must, may = map[string][]string{}, map[string][]string{}
	for kind, n := range needs {
		must[kind], may[kind] = n.must, n.may
	}
	return must, may
}

// keys are all keys of the section but kind, and whether they are set.
func (c *Credential) keys() map[string]bool {
	return map[string]bool{
		"authority": c.Authority != "", "tenant_id": c.TenantID != "", "client_id": c.ClientID != "",
		"client_secret": c.ClientSecret.Len() > 0, "certificate_file": c.CertificateFile != "",
		"certificate_password": c.CertificatePassword.Len() > 0, "send_certificate_chain": c.SendCertificateChain,
		"object_id": c.ObjectID != "", "resource_id": c.ResourceID != "",
		"service_connection_id": c.ServiceConnectionID != "", "system_access_token": c.SystemAccessToken.Len() > 0,
		"subscription": c.Subscription != "", "token": c.Token.Len() > 0, "token_file": c.TokenFile != "",
	}
}

func (c *Credential) validate() error {
	kind, ok := needs[c.Kind]
	if !ok {
		return fmt.Errorf("credential.kind: %q is not known; use one of %s", c.Kind, strings.Join(slices.Sorted(maps.Keys(needs)), ", "))
	}
	set := c.keys()
	var errs []error
	for _, key := range kind.must {
		if !set[key] {
			errs = append(errs, fmt.Errorf("credential.%s: is missing; kind %s needs it", key, c.Kind))
		}
		delete(set, key)
	}
	for _, key := range kind.may {
		delete(set, key)
	}
	for _, key := range slices.Sorted(maps.Keys(set)) {
		if set[key] {
			errs = append(errs, fmt.Errorf("credential.%s: does nothing with kind %s", key, c.Kind))
		}
	}
	return errors.Join(append(errs, c.validateTogether())...)
}

// validateTogether looks at keys that each are fine.
func (c *Credential) validateTogether() error {
	var errs []error
	if c.Kind == "token" && (c.Token.Len() > 0) == (c.TokenFile != "") {
		errs = append(errs, errors.New("credential: kind token needs either token or token_file"))
	}
	if c.Kind == "managed_identity" && len(slices.DeleteFunc([]string{c.ClientID, c.ObjectID, c.ResourceID}, func(s string) bool { return s == "" })) > 1 {
		errs = append(errs, errors.New("credential: an identity is named by one of client_id, object_id and resource_id"))
	}
	if u, err := url.Parse(c.Authority); c.Authority != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		errs = append(errs, errors.New("credential.authority: wants https://HOST/"))
	}
	return errors.Join(errs...)
}
