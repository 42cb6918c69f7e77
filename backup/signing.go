package backup

import (
	"crypto"
	"time"
)

// SigningKey is the public half of a key that signs, or once did.
type SigningKey struct {
	ID        string
	Algorithm string // AlgEdDSA or AlgES256
	Public    crypto.PublicKey
	Retired   time.Time // zero: it may still sign
}

// SigningKeys lists every key whose signatures may be met, retired ones
// included: how long they count is for the reader to say.
func (k *Keyring) SigningKeys() []SigningKey {
	var all []SigningKey
	for i := range k.keys {
		c := &k.keys[i]
		if c.use == useSig && c.permits("sign", "verify") {
			all = append(all, SigningKey{ID: c.id, Algorithm: string(c.alg), Public: c.public, Retired: c.retired})
		}
	}
	return all
}
