package azurekv

import (
	"time"

	"github.com/vaultferry/vaultferry/backends"
)

// Profile is Key Vault for a store in memory.
func Profile() backends.Profile {
	b := &Backend{now: time.Now, room: new(tagRoom)}
	return backends.Profile{
		Capabilities: b.Capabilities(),
		Names:        backends.Names{Spell: naming.Encode, Read: decodeName},
		Forecast:     b.Forecast,
		MaxTags:      b.MaxTags(),
	}
}
