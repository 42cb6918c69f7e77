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

// Config is the section `huaweicsms` of a store.
type Config struct {
	// Endpoint is https://kms.REGION.myhuaweicloud.com, or that of a private
	// endpoint which speaks the same API.
	Endpoint string `mapstructure:"endpoint"`
	// ProjectID is never looked up: with it the client asks no other service.
	ProjectID string `mapstructure:"project_id"`
	// AccessKey is a fixed key; Credential gets keys that are renewed. One of
	// the two is given.
	AccessKey  AccessKey   `mapstructure:"access_key"`
	Credential *Credential `mapstructure:"credential"`
	// SecurityToken goes with an AccessKey that is temporary. It is not renewed.
	SecurityToken secret.Value `mapstructure:"security_token"`
	// EnterpriseProjectID is where new secrets are made. Empty: the default.
	EnterpriseProjectID string `mapstructure:"enterprise_project_id"`
	// KMSKeyID encrypts what is made here. Empty: the service's default key.
	KMSKeyID string `mapstructure:"kms_key_id"`
	// CAFile is a PEM file of the only certificate authorities that are trusted,
	// for endpoint and iam_endpoint.
	CAFile string `mapstructure:"ca_file" path:"true"`
	// ExtraCAFile is a PEM file of certificate authorities that are trusted
	// beside the system's, for endpoint and iam_endpoint.
	ExtraCAFile string `mapstructure:"extra_ca_file" path:"true"`

	// Dial replaces the resolver and the dialer, for tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `mapstructure:"-"`

	wrap func(http.RoundTripper) http.RoundTripper // for tests of failures
}

// AccessKey signs the requests.
type AccessKey struct {
	ID     string       `mapstructure:"id"`
	Secret secret.Value `mapstructure:"secret"`
}

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
