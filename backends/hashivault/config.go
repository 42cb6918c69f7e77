package hashivault

import (
	"errors"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
)

// Config is the section `hashivault` of a store: a KV engine of HashiCorp Vault.
type Config struct {
	connection.Access `mapstructure:",squash"`

	// Mount is the path at which the KV engine is mounted.
	Mount string `mapstructure:"mount" example:"kv"`
	// KV is the version of the KV engine; `auto` asks the mount when the gateway starts.
	KV any `mapstructure:"kv" default:"auto" example:"1"`
	// Prefix is the folder of the mount that is the whole store.
	Prefix string `mapstructure:"prefix" default:"the whole mount" example:"teams/payments"`
	// Field is the field that holds a secret's value if it is a single text.
	Field string `mapstructure:"field" example:"password"`
}

// The words of kv.
const (
	engineAuto = "auto"
	engine1    = "1"
	engine2    = "2"
)

// Choices lists the words that a key takes.
func (*Config) Choices() map[string][]string {
	return map[string][]string{"kv": {engine1, engine2, engineAuto}}
}

// SetDefaults implements backends.Config.
func (c *Config) SetDefaults() { c.Mount, c.Field = "secret", connection.DefaultField }

// Validate implements backends.Config.
func (c *Config) Validate() error {
	return errors.Join(c.Access.Validate(), connection.CheckFolder("mount", c.Mount, true), c.checkEngine(),
		connection.CheckFolder("prefix", c.Prefix, false), c.checkField())
}

// checkEngine refuses what is no version. YAML reads a bare one as a number.
func (c *Config) checkEngine() error {
	switch c.KV {
	case nil, engineAuto, 1, 2, engine1, engine2:
		return nil
	}
	return errors.New("kv: want 1, 2 or auto")
}

// engine is the version that is asked for, or empty: as the mount says.
func (c *Config) engine() string {
	switch c.KV {
	case 1, engine1:
		return engine1
	case 2, engine2:
		return engine2
	}
	return ""
}

func (c *Config) checkField() error {
	if c.Field == "" || len(c.Field) > 128 || !connection.Printable(c.Field) {
		return errors.New("field: want 1 to 128 printable characters")
	}
	return nil
}
