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

// Credential is how the gateway proves to Entra, or to a private endpoint,
// who it is. The kinds are those of the vendor's library that need no person
// at a screen: a gateway has no browser, device code or password of a user to
// offer, and acts on nobody's behalf.
type Credential struct {
	// Kind is one of the keys of needs. "default" tries environment, workload
	// identity, managed identity and the developers' tools in turn;
	// AZURE_TOKEN_CREDENTIALS narrows that.
	Kind string `mapstructure:"kind"`
	// Authority is the host that issues tokens, for private clouds. It takes
	// the place of the cloud's own.
	Authority    string       `mapstructure:"authority"`
	TenantID     string       `mapstructure:"tenant_id"`
	ClientID     string       `mapstructure:"client_id"`
	ClientSecret secret.Value `mapstructure:"client_secret"`
	// CertificateFile holds a certificate and its RSA key, as PEM or PKCS #12.
	// It is read once, when the store is opened.
	CertificateFile     string       `mapstructure:"certificate_file" path:"true"`
	CertificatePassword secret.Value `mapstructure:"certificate_password"`
	// SendCertificateChain proves by the certificate's subject and issuer, for
	// applications that trust those rather than the one certificate.
	SendCertificateChain bool `mapstructure:"send_certificate_chain"`
	// ObjectID and ResourceID name a user-assigned managed identity, as
	// ClientID does.
	ObjectID   string `mapstructure:"object_id"`
	ResourceID string `mapstructure:"resource_id"`
	// ServiceConnectionID and SystemAccessToken are those of an Azure Pipeline.
	ServiceConnectionID string       `mapstructure:"service_connection_id"`
	SystemAccessToken   secret.Value `mapstructure:"system_access_token"`
	// Subscription picks an account of the command line's.
	Subscription string `mapstructure:"subscription"`
	// Token is a fixed bearer token, for private endpoints.
	Token secret.Value `mapstructure:"token"`
	// TokenFile is read anew whenever a token is wanted: the federated token
	// of workload_identity, which the library then keeps for ten minutes, or a
	// bearer token that another program renews.
	TokenFile string `mapstructure:"token_file" path:"true"`
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
