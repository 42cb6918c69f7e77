// Package all lists every backend of this build.
package all

import (
	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv1"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv2"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backends/postgres"
)

// Registry returns the drivers of every kind of store.
func Registry() backends.Registry {
	return backends.Registry{
		azurekv.Driver,
		bolt.Driver,
		hashivault.Driver,
		huaweicsms.Driver,
		memory.DriverOf(Profiles()),
		postgres.Driver,
	}
}

// Profiles are the products whose limits a store in memory can have, by
// their word in memory.as.
func Profiles() map[string]backends.Profile {
	return map[string]backends.Profile{
		"azurekv":       azurekv.Profile(),
		"csms":          huaweicsms.Profile(),
		"hashivault":    kv2.Profile(),
		"hashivault-v1": kv1.Profile(),
	}
}
