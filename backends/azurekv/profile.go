package azurekv

import (
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Profile is Key Vault for a store in memory.
func Profile() backends.Profile {
	b := &Backend{now: time.Now, room: new(tagRoom)}
	return backends.Profile{
		Capabilities: b.Capabilities(),
		Names:        backends.Names{Spell: naming.Encode, Read: decodeName},
		Forecast:     b.Forecast,
		ForecastStanding: func(s *secret.Secret) []secret.Loss {
			wire, err := naming.Encode(s.Name)
			if err != nil {
				return nil
			}
			_, losses := plan(wire, s, "", time.Time{}, b.room.most())
			return losses
		},
		MaxTags: b.MaxTags(),
	}
}
