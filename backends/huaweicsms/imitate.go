package huaweicsms

import "github.com/vaultferry/vaultferry/backends"

// Profile is CSMS for a store in memory.
func Profile() backends.Profile {
	b := &Backend{}
	return backends.Profile{
		Capabilities: b.Capabilities(),
		Names:        backends.Names{Spell: encodeName, Read: decodeName},
		Forecast:     b.Forecast,
	}
}
