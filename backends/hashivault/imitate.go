package hashivault

import (
	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Profile is a KV v2 engine for a store in memory, with the field that a
// configuration has by default.
func Profile() backends.Profile { return imitation(&Store{imitated()}, naming) }

// FlatProfile is a KV v1 engine in the same way.
func FlatProfile() backends.Profile { return imitation(newFlat(imitated()), flatNaming) }

func imitated() *core {
	var c Config
	c.SetDefaults()
	return &core{field: c.Field}
}

func imitation(b interface {
	Capabilities() backends.Capabilities
	Forecast(s *secret.Secret) []secret.Loss
}, spell secret.Naming,
) backends.Profile {
	return backends.Profile{
		Capabilities: b.Capabilities(),
		Names:        backends.Names{Spell: spell.Encode, Read: readBy(spell)},
		Forecast:     b.Forecast,
	}
}
