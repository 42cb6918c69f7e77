package e2e

import (
	"maps"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// moving is every product between which secrets move: beside those that hold
// all that a front API asks for, an engine of version 1, which holds one
// version of a secret.
func moving() map[string]func(t testing.TB, name string) backends.Backend {
	all := maps.Clone(products)
	all["hashivault1"] = func(t testing.TB, name string) backends.Backend {
		server := vaulttest.Shared(t)
		return openVault(t, server, server.NewMountV1(t), name)
	}
	return all
}
