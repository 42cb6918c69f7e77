// Package all lists every backend of this build.
package all

import (
	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/backends/memory"
)

// Registry returns the drivers of every kind of store.
func Registry() backends.Registry {
	return backends.Registry{
		azurekv.Driver,
		bolt.Driver,
		hashivault.Driver,
		memory.Driver,
	}
}
