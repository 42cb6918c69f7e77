package backends

import "github.com/vaultferry/vaultferry/secret"

// Speller is a backend whose product may call a secret otherwise than the
// model. Optional: without it the product takes every name as it is.
type Speller interface {
	// Spell returns the product's name, and refuses (Invalid) what the product
	// cannot spell. It does no I/O.
	Spell(secret.Name) (string, error)
}
