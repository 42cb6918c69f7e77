package huaweicsms

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/backends"
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
	ProjectID string    `mapstructure:"project_id"`
	AccessKey AccessKey `mapstructure:"access_key"`
	// SecurityToken goes with a temporary access key. It is not renewed here.
	SecurityToken secret.Value `mapstructure:"security_token"`
	// EnterpriseProjectID is where new secrets are made. Empty: the default.
	EnterpriseProjectID string `mapstructure:"enterprise_project_id"`
	// KMSKeyID encrypts what is made here. Empty: the service's default key.
	KMSKeyID string `mapstructure:"kms_key_id"`
	// CAFile holds certificates that are trusted beside the system's, for a
	// private endpoint.
	CAFile string `mapstructure:"ca_file" path:"true"`

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
	errs := []error{c.validateEndpoint()}
	bad := func(is bool, text string) {
		if is {
			errs = append(errs, errors.New(text))
		}
	}
	bad(c.ProjectID == "", "project_id: is missing; the console shows it under My Credentials")
	bad(c.ProjectID != "" && !projectID.MatchString(c.ProjectID), "project_id: wants 32 to 64 letters and digits")
	bad(c.AccessKey.ID == "", "access_key.id: is missing")
	bad(c.AccessKey.Secret.Len() == 0, "access_key.secret: is missing; write {env: NAME} or {file: PATH}")
	bad(c.EnterpriseProjectID != "" && c.EnterpriseProjectID != "0" && uuid.Validate(c.EnterpriseProjectID) != nil,
		"enterprise_project_id: wants a UUID, or 0")
	bad(c.KMSKeyID != "" && uuid.Validate(c.KMSKeyID) != nil, "kms_key_id: wants the UUID of a symmetric key")
	return errors.Join(errs...)
}

var projectID = regexp.MustCompile(`^[0-9A-Za-z]{32,64}$`)

func (c *Config) validateEndpoint() error {
	u, err := url.Parse(c.Endpoint)
	switch {
	case c.Endpoint == "":
		return errors.New("endpoint: is missing; it looks like https://kms.REGION.myhuaweicloud.com")
	case err != nil, u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "", strings.Trim(u.Path, "/") != "":
		return errors.New("endpoint: wants https://HOST, with a port at most behind it")
	case u.Scheme != "https":
		return errors.New("endpoint: wants https; a value never goes in clear text")
	}
	return nil
}
