package backends

import "github.com/vaultferry/vaultferry/secret"

// Imitation is what a store in memory must know to hold no more than a product
// does. The product's own package makes it of the code that its Forecast and
// Import go by, so that the two never part.
type Imitation struct {
	// Capabilities as the product has them. The store keeps those of memory
	// where they are about time and not about content: AtomicCreate,
	// AtomicImport, Durable, TrashHidesVersions.
	Capabilities Capabilities
	Names        Names
	// Forecast is the product's: pure, and what Import does.
	Forecast func(*secret.Secret) []secret.Loss
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

// TakesAway reports whether the model lacks what l names once it is lost. The
// other words are about what native tools see.
func TakesAway(l secret.Loss) bool {
	switch l.What {
	case LossDisabled, LossCurrent, LossPrevious, LossCreated, LossUpdated, LossForm:
		return false
	}
	return true
}

// Oldest returns the oldest version of s that holds neither a role nor a
// label, or nil: what goes first where a product holds too few.
func Oldest(s *secret.Secret) *secret.Version {
	for i := range s.Versions {
		if v := &s.Versions[i]; Free(s, v) {
			return v
		}
	}
	return nil
}

// Free reports whether v holds neither a role nor a label in s.
func Free(s *secret.Secret, v *secret.Version) bool {
	return v.Ordinal != s.Current && v.Ordinal != s.Previous && len(v.Stages) == 0
}
