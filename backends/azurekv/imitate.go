package azurekv

import (
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Imitation is Key Vault for a store in memory.
func Imitation() backends.Imitation {
	b := &Backend{now: time.Now}
	return backends.Imitation{
		Capabilities: b.Capabilities(),
		CheckName: func(n secret.Name) error {
			_, err := naming.Encode(n)
			return err
		},
		Forecast:      b.Forecast,
		HidesDisabled: true,
	}
}
