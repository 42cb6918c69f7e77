package kv1

import (
	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

var _ backends.Speller = (*Store)(nil)

// Spell implements backends.Speller.
func (*Store) Spell(name secret.Name) (string, error) { return Naming.Encode(name) }
