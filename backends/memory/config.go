package memory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/backends"
)

// Driver opens stores of kind "memory" that imitate nothing.
var Driver = DriverOf(nil)

// DriverOf opens stores of kind "memory" that can imitate the products of
// known, by the words of Products.
func DriverOf(known map[string]backends.Profile) backends.Driver {
	return backends.Define("memory", func(_ context.Context, env backends.Env, c *Config) (backends.Backend, error) {
		s := New(Options{Now: env.Now})
		if c.As == "" {
			return s, nil
		}
		im, ok := known[c.As]
		if !ok {
			return nil, errors.New("as: this build cannot imitate " + c.As)
		}
		return s.Imitate(im), nil
	})
}

// Products are the words for what a store may imitate.
func Products() []string { return []string{"azurekv", "csms", "hashivault", "hashivault-v1"} }

// Config is the section `memory` of a store, which holds secrets until the
// gateway stops.
type Config struct {
	// As is the product whose limits the store imitates, to try a move first.
	As string `mapstructure:"as" default:"none" example:"csms"`
}

// Choices lists the words that a key takes.
func (*Config) Choices() map[string][]string { return map[string][]string{"as": Products()} }

// SetDefaults implements backends.Config.
func (*Config) SetDefaults() {}

// Validate implements backends.Config.
func (c *Config) Validate() error {
	if c.As != "" && !slices.Contains(Products(), c.As) {
		return fmt.Errorf("as: unknown product %q (known: %s)", c.As, strings.Join(Products(), ", "))
	}
	return nil
}
