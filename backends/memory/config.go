package memory

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends"
)

// Driver opens stores of kind "memory".
var Driver = backends.Define("memory", open)

// Config is the section `memory` of a store.
type Config struct {
	// As is the product whose limits the store imitates.
	As string `mapstructure:"as"`
}

// SetDefaults implements backends.Config.
func (*Config) SetDefaults() {}

// Validate implements backends.Config.
func (c *Config) Validate() error {
	if c.As != "" {
		return errors.New("as: imitating another product is not available yet")
	}
	return nil
}

func open(_ context.Context, env backends.Env, _ *Config) (backends.Backend, error) {
	return New(Options{Now: env.Now}), nil
}
