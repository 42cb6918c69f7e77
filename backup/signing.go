package backup

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
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

// Fingerprints are of something secret that must be told from another later,
// and not be guessed by whoever sees them: MACs under each key that signs, or
// once did, the one that signs now first. Every gateway with the keyring makes
// the same. Empty: no key signs.
func (k *Keyring) Fingerprints(data []byte) [][]byte {
	var all [][]byte
	_, now, _ := k.Signer()
	for i := range k.keys {
		c := &k.keys[i]
		private, ok := privateBytes(c)
		if !ok {
			continue
		}
		inner := hmac.New(sha256.New, private) // a key of its own: this one signs
		inner.Write([]byte("vaultferry fingerprint"))
		mac := hmac.New(sha256.New, inner.Sum(nil))
		mac.Write(data)
		if sum := mac.Sum(nil)[:16]; c.id == now {
			all = append([][]byte{sum}, all...)
		} else {
			all = append(all, sum)
		}
	}
	return all
}

func privateBytes(c *key) ([]byte, bool) {
	if c.use != useSig {
		return nil, false
	}
	switch private := c.private.(type) {
	case ed25519.PrivateKey:
		return private.Seed(), true
	case *ecdsa.PrivateKey:
		b, err := private.Bytes()
		return b, err == nil
	}
	return nil, false
}
