package azurekv

import (
	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

var _ backends.Speller = (*Backend)(nil)

// Spell implements backends.Speller.
func (*Backend) Spell(name secret.Name) (string, error) { return naming.Encode(name) }
