package huaweicsms

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Driver opens stores of kind "huaweicsms".
var Driver = backends.Define("huaweicsms", func(_ context.Context, env backends.Env, c *Config) (backends.Backend, error) {
	return New(env, c)
})

// Config is the section `huaweicsms` of a store: Huawei Cloud CSMS.
type Config struct {
	// Endpoint is the URL of the service in a region, or of a private endpoint that speaks the same API.
	Endpoint string `mapstructure:"endpoint" required:"true" example:"https://kms.cn-north-4.myhuaweicloud.com"`
	// ProjectID is the id of the project that holds the secrets; it is never looked up.
	ProjectID string `mapstructure:"project_id" required:"true" example:"'0123456789abcdef0123456789abcdef'"`
	// AccessKey is a fixed access key.
	AccessKey AccessKey `mapstructure:"access_key" example:"{ id: AKEAST, secret: { env: CSMS_SK } }"`
	// Credential gets temporary access keys, and renews them.
	Credential *Credential `mapstructure:"credential" example:"{ kind: metadata }"`
	// SecurityToken belongs to a temporary access key in `access_key`; it is not renewed.
	SecurityToken secret.Value `mapstructure:"security_token"`
	// EnterpriseProjectID is the enterprise project in which new secrets are made.
	EnterpriseProjectID string `mapstructure:"enterprise_project_id" default:"the account's own default" example:"11111111-2222-3333-4444-555555555555"`
	// KMSKeyID is the key that encrypts new secrets.
	KMSKeyID string `mapstructure:"kms_key_id" default:"the service's default key" example:"66666666-7777-8888-9999-000000000000"`
	// CAFile is a PEM file of the only certificate authorities to trust, for `endpoint` and `iam_endpoint`.
	CAFile string `mapstructure:"ca_file" path:"true" default:"the system's" example:"tls/private-endpoint.pem"`
	// ExtraCAFile is a PEM file of certificate authorities to trust beside the system's, for `endpoint` and
	// `iam_endpoint`.
	ExtraCAFile string `mapstructure:"extra_ca_file" path:"true" example:"tls/private-endpoint.pem"`

	// Dial replaces the resolver and the dialer, for tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `mapstructure:"-"`

	wrap func(http.RoundTripper) http.RoundTripper // for tests of failures
}

// AccessKey signs the requests.
type AccessKey struct {
	// ID is the access key id (AK).
	ID string `mapstructure:"id" required:"true" example:"AKEAST"`
	// Secret is the secret key (SK).
	Secret secret.Value `mapstructure:"secret" required:"true"`
}

// ExactlyOne lists the keys of which one is given.
func (*Config) ExactlyOne() []string { return []string{"access_key", "credential"} }

// SetDefaults implements backends.Config.
func (c *Config) SetDefaults() {}

// Validate implements backends.Config.
func (c *Config) Validate() error {
	errs := []error{checkEndpoint("endpoint", c.Endpoint)}
	bad := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New(text))
		}
	}
	bad(c.Endpoint == "", "endpoint: is missing; it looks like https://kms.REGION.myhuaweicloud.com")
	bad(c.ProjectID == "", "project_id: is missing; the console shows it under My Credentials")
	bad(c.ProjectID != "" && !projectID.MatchString(c.ProjectID), "project_id: wants 32 to 64 letters and digits")
	errs = append(errs, c.validateCredential(), c.roots().Validate())
	bad(c.EnterpriseProjectID != "" && c.EnterpriseProjectID != "0" && uuid.Validate(c.EnterpriseProjectID) != nil,
		"enterprise_project_id: wants a UUID, or 0")
	bad(c.KMSKeyID != "" && uuid.Validate(c.KMSKeyID) != nil, "kms_key_id: wants the UUID of a symmetric key")
	return errors.Join(errs...)
}

func (c *Config) roots() kit.Roots {
	return kit.Roots{CAFile: c.CAFile, ExtraCAFile: c.ExtraCAFile}
}

var projectID = regexp.MustCompile(`^[0-9A-Za-z]{32,64}$`)

func (c *Config) validateCredential() error {
	hasID, hasSecret := c.AccessKey.ID != "", c.AccessKey.Secret.Len() > 0
	if (hasID || hasSecret) == (c.Credential != nil) {
		return errors.New("access_key: want exactly one of access_key and credential")
	}
	if c.Credential == nil {
		var errs []error
		if !hasID {
			errs = append(errs, errors.New("access_key.id: is missing"))
		}
		if !hasSecret {
			errs = append(errs, errors.New("access_key.secret: is missing; write {env: NAME} or {file: PATH}"))
		}
		return errors.Join(errs...)
	}
	err := c.Credential.validate()
	if c.SecurityToken.Len() > 0 {
		err = errors.Join(err, errors.New("security_token: does nothing with credential; it goes with access_key"))
	}
	return err
}

// checkEndpoint leaves it to the caller whether the endpoint is given at all.
func checkEndpoint(key, endpoint string) error {
	u, err := url.Parse(endpoint)
	switch {
	case endpoint == "":
		return nil
	case err != nil, u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "", strings.Trim(u.Path, "/") != "":
		return fmt.Errorf("%s: wants https://HOST, with a port at most behind it", key)
	case u.Scheme != "https":
		return fmt.Errorf("%s: wants https; nothing secret goes in clear text", key)
	}
	return nil
}
