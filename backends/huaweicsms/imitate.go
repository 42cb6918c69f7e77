package huaweicsms

import (
	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Imitation is CSMS for a store in memory.
func Imitation() backends.Imitation {
	b := &Backend{}
	return backends.Imitation{
		Capabilities: b.Capabilities(),
		CheckName: func(n secret.Name) error {
			_, err := encodeName(n)
			return err
		},
		Forecast: b.Forecast,
	}
}
