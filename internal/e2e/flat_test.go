package e2e

import (
	"maps"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// moving is every product between which secrets move: beside those that hold
// all that a front API asks for, an engine of version 1, which holds one
// version of a secret.
func moving() map[string]func(t *testing.T, name string) backends.Backend {
	all := maps.Clone(products)
	all["hashivault1"] = func(t *testing.T, name string) backends.Backend {
		server := vaulttest.Shared(t)
		c := hashivault.Config{}
		c.SetDefaults()
		c.Address, c.Mount, c.Token = server.Address, server.NewMountV1(t), secret.TextValue(vaulttest.RootToken)
		return open(t, hashivault.Driver, name, c)
	}
	return all
}
