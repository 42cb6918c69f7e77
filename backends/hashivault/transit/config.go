package transit

import (
	"cmp"
	"errors"
	"regexp"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
)

// keyName is Vault's own rule.
var keyName = regexp.MustCompile(`^\w(([\w.-]+)?\w)?$`)

// Config names a key of a transit engine, and the way to it.
type Config struct {
	connection.Access `mapstructure:",squash"`

	// Mount is the path at which the transit engine is mounted.
	Mount string `mapstructure:"mount" example:"transit-eu"`
	// Key is the name of the key, of type `aes256-gcm96`, or another that encrypts any length.
	Key string `mapstructure:"key" required:"true" example:"vaultferry"`
	// Context is the context of a key that derives others; Vault gets it in base64.
	Context string `mapstructure:"context" default:"none" example:"gateway-eu"`
}

// SetDefaults fills what is empty.
func (c *Config) SetDefaults() { c.Mount = cmp.Or(c.Mount, "transit") }

// Validate returns all problems joined.
func (c *Config) Validate() error {
	errs := []error{connection.CheckFolder("mount", c.Mount, true)}
	switch {
	case c.Key == "":
		errs = append(errs, errors.New("key: missing"))
	case !keyName.MatchString(c.Key):
		errs = append(errs, errors.New("key: want letters, digits and _-. between two of the former"))
	}
	return errors.Join(append(errs, c.Access.Validate())...)
}
