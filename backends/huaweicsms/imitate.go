package huaweicsms

import "github.com/vaultferry/vaultferry/backends"

// Imitation is CSMS for a store in memory.
func Imitation() backends.Imitation {
	b := &Backend{}
	return backends.Imitation{
		Capabilities: b.Capabilities(),
		Names:        backends.Names{Spell: encodeName, Read: decodeName},
		Forecast:     b.Forecast,
	}
}
