package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/vaultferry/vaultferry/secret"
)

// Sizes in bytes: of a data key, and of what sealing adds before and behind.
const (
	KeySize   = 32
	SaltSize  = 32
	TagSize   = 16
	nonceSize = 12
)

// Domain is what a sealed record is. It is authenticated, so no record passes for
// one of another.
type Domain string

// The domains.
const (
	Head    Domain = "head"
	Trash   Domain = "trash" // head of a deleted secret
	Version Domain = "version"
	Value   Domain = "value"
	State   Domain = "state"
)

// Sealer seals records with AES-256-GCM. Each record gets a key and a nonce of
// its own, derived by HKDF-SHA-256 from the data key and 32 random bytes that
// stand before the ciphertext. One data key so serves for ever: random nonces
// under a single key would have to stop at 2^32 records.
type Sealer struct {
	key     []byte
	product string
	store   string
}

// ErrUnseal is of a record that is not what was sealed for its place.
var ErrUnseal = errors.New("a record of the store failed authentication")

// Seal binds the record to its store, domain, secret and, within the secret, to
// id: the ordinal of attributes, the UID of a value. A record of the gateway has no secret, and its
// key is the id.
func (s *Sealer) Seal(d Domain, name secret.Name, id, plain []byte) ([]byte, error) {
	out := make([]byte, SaltSize, SaltSize+len(plain)+TagSize)
	_, _ = rand.Read(out) // never fails (crypto/rand)
	gcm, nonce, err := s.derive(out)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(out, nonce, plain, s.associated(d, name, id)), nil
}

// Unseal opens what Seal made of the same place.
func (s *Sealer) Unseal(d Domain, name secret.Name, id, sealed []byte) ([]byte, error) {
	if len(sealed) < SaltSize+TagSize {
		return nil, ErrUnseal
	}
	gcm, nonce, err := s.derive(sealed[:SaltSize])
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, sealed[SaltSize:], s.associated(d, name, id))
	if err != nil {
		return nil, ErrUnseal
	}
	return plain, nil
}

func (s *Sealer) derive(salt []byte) (cipher.AEAD, []byte, error) {
	k, err := hkdf.Key(sha256.New, s.key, salt, "vaultferry "+s.product+" record", KeySize+nonceSize)
	if err != nil {
		return nil, nil, fmt.Errorf("derive a record's key: %w", err)
	}
	block, err := aes.NewCipher(k[:KeySize])
	if err != nil {
		return nil, nil, fmt.Errorf("derive a record's key: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, k[KeySize:], err
}

// associated encodes the associated data so that no two tuples share one.
func (s *Sealer) associated(d Domain, name secret.Name, id []byte) []byte {
	var ad []byte
	for _, p := range [][]byte{[]byte(s.store), []byte(d), []byte(name), id} {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(p)))
		ad = append(ad, p...)
	}
	return ad
}
