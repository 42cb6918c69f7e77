package azurekv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
)

// Driver opens stores of kind "azurekv".
var Driver = backends.Define("azurekv", func(_ context.Context, env backends.Env, c *Config) (backends.Backend, error) {
	return New(env, c)
})

// Config is the section `azurekv` of a store.
type Config struct {
	// VaultURL is the vault: https://NAME.vault.azure.net, or that of a
	// private endpoint which speaks the same API.
	VaultURL   string     `mapstructure:"vault_url"`
	Credential Credential `mapstructure:"credential"`
	// Cloud is whose authority issues the tokens: public, china or government.
	// Empty: that of the vault's host, where it tells; see cloudOf.
	Cloud string `mapstructure:"cloud"`
	// BackupForm is how backups are taken: "portable", in the gateway's own
	// sealed form, or "native", as Key Vault's own backups, which only vaults
	// of the same subscription and geography can restore. Native ones are for
	// who can give them back: the azure dialect over the whole store, and the
	// command line. Everybody else gets portable ones.
	BackupForm string `mapstructure:"backup_form"`
	// ReadDisabled makes a backup enable each disabled version, read it and
	// disable it again. Without it their values are a loss that is foretold.
	// Danger: in that moment native tools can read the version. The gateway
	// needs the permission to update secrets.
	ReadDisabled bool `mapstructure:"read_disabled"`
	// CAFile is a PEM file of the only certificate authorities that are trusted,
	// for the vault and for the authority of its tokens.
	CAFile string `mapstructure:"ca_file" path:"true"`
	// ExtraCAFile is a PEM file of certificate authorities that are trusted
	// beside the system's, for the vault and for the authority of its tokens.
	ExtraCAFile string `mapstructure:"extra_ca_file" path:"true"`
	// DisableChallengeVerification sends the token to the vault even where
	// the resource that the vault asks a token for is not a parent domain of
	// its host. Danger: whoever can answer for vault_url may then ask for,
	// and get, a token that is good elsewhere. Meant for private endpoints
	// that are reached as localhost or by an IP address, and best with a
	// credential of kind token, which is the same for every resource.
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
