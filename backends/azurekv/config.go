package azurekv

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
)

// Driver opens stores of kind "azurekv".
var Driver = backends.Define("azurekv", func(_ context.Context, env backends.Env, c *Config) (backends.Backend, error) {
	return New(env, c)
}).Folding()

// Config is the section `azurekv` of a store: a vault of Azure Key Vault.
type Config struct {
	// VaultURL is the URL of the vault, or of a private endpoint that speaks the same API.
	VaultURL string `mapstructure:"vault_url" required:"true" example:"https://contoso.vault.azure.net"`
	// Credential is how the gateway proves to Entra who it is.
	Credential Credential `mapstructure:"credential" example:"{ kind: managed_identity }"`
	// Cloud is the cloud whose authority issues the tokens.
	Cloud string `mapstructure:"cloud" default:"that of the vault's host" example:"china"`
	// BackupForm is the form of backups: `portable`, sealed by the gateway and good for any store, or `native`, Key
	// Vault's own, which only vaults of the same subscription and geography restore. Clients of Huawei's API, and those
	// that see only a folder of the store, get portable ones in either case.
	BackupForm string `mapstructure:"backup_form" example:"native"`
	// ReadDisabled makes a backup enable each disabled version for the moment in which it is read; without it the values
	// of disabled versions are left out. Danger: in that moment native tools can read the version.
	ReadDisabled bool `mapstructure:"read_disabled"`
	// CAFile is a PEM file of the only certificate authorities to trust, for the vault and for the authority.
	CAFile string `mapstructure:"ca_file" path:"true" default:"the system's" example:"tls/private-endpoint.pem"`
	// ExtraCAFile is a PEM file of certificate authorities to trust beside the system's, for the vault and for the
	// authority.
	ExtraCAFile string `mapstructure:"extra_ca_file" path:"true" example:"tls/private-endpoint.pem"`
	// DisableChallengeVerification sends the token to the vault even if the resource that the vault asks a token for is no
	// parent domain of its host, as with a private endpoint that is reached as localhost or by an IP address. Danger:
	// whoever can answer for `vault_url` may then get a token that is good elsewhere; a credential of kind `token`, the
	// same for every resource, is the safest.
	DisableChallengeVerification bool `mapstructure:"disable_challenge_verification"`

	// Dial replaces the resolver and the dialer, for tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error) `mapstructure:"-"`

	wrap func(http.RoundTripper) http.RoundTripper // for tests of failures
}

// The words of backup_form.
const (
	formPortable = "portable"
	formNative   = "native"
)

// Choices lists the words that a key takes.
func (*Config) Choices() map[string][]string {
	return map[string][]string{"backup_form": {formPortable, formNative}, "cloud": slices.Sorted(maps.Keys(clouds))}
}

// SetDefaults implements backends.Config.
func (c *Config) SetDefaults() {
	c.BackupForm = formPortable
	c.Credential.Kind = "default"
}

// Validate implements backends.Config.
func (c *Config) Validate() error {
	errs := []error{c.validateURL(), c.Credential.validate(), c.validateCloud(), c.roots().Validate()}
	if c.BackupForm != formPortable && c.BackupForm != formNative {
		errs = append(errs, fmt.Errorf("backup_form: %q is not known; use portable or native", c.BackupForm))
	}
	return errors.Join(errs...)
}

func (c *Config) roots() kit.Roots {
	return kit.Roots{CAFile: c.CAFile, ExtraCAFile: c.ExtraCAFile}
}

func (c *Config) validateURL() error {
	u, err := url.Parse(c.VaultURL)
	switch {
	case c.VaultURL == "":
		return errors.New("vault_url: is missing; it looks like https://NAME.vault.azure.net")
	case err != nil, u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "", strings.Trim(u.Path, "/") != "":
		return errors.New("vault_url: wants https://HOST, with a port at most behind it")
	case u.Scheme != "https":
		return errors.New("vault_url: wants https; the client never sends a token in clear text")
	}
	return nil
}
