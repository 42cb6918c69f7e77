package backends

import "github.com/vaultferry/vaultferry/secret"

// Profile is what a store in memory must know to hold no more than a product
// does. The product's own package makes it of the code that its Forecast and
// Import go by, so that the two never part.
type Profile struct {
	// Capabilities as the product has them. The store keeps those of memory
	// where they are about time and not about content: AtomicCreate,
	// AtomicImport, Durable, TrashHidesVersions.
	Capabilities Capabilities
	Names        Names
	MaxTags      int // of a version; zero: no limit
	// Forecast is the product's: pure, and what Import does.
	Forecast func(*secret.Secret) []secret.Loss
	// ForecastStanding is of a secret that single writes made: where an import
	// takes room of its own, they leave more. Nil: it is Forecast.
	ForecastStanding func(*secret.Secret) []secret.Loss
}

// Names is how a product spells the model's names: the two directions of one
// bijection.
type Names struct {
	// Spell returns the product's name, and refuses (Invalid) what the product
	// cannot spell.
	Spell func(secret.Name) (string, error)
	// Read returns the model's name. kept is what the product holds of it
	// beside the secret, where the spelling alone is not enough; else "". It
	// reports false for what is no secret of the model's.
	Read func(wire string, kept secret.Name) (secret.Name, bool)
}
