package hashivault

import (
	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Imitation is a KV v2 engine for a store in memory, with the field that a
// configuration has by default.
func Imitation() backends.Imitation {
	var c Config
	c.SetDefaults()
	s := &Store{&core{field: c.Field}}
	return backends.Imitation{
		Capabilities: s.Capabilities(),
		CheckName: func(n secret.Name) error {
			_, err := naming.Encode(n)
			return err
		},
		Forecast: s.Forecast,
	}
}
