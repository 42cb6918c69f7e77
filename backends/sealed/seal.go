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
	"sync/atomic"

	"github.com/vaultferry/vaultferry/secret"
)

// Sizes in bytes: of a data key, and of what sealing adds before and behind.
const (
	KeySize  = 32
	SaltSize = 32
	TagSize  = 16

	randomSize = 24 // of a salt; the rest is the number of the record
	nonceSize  = 12
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

// Sealer seals records with AES-256-GCM. What is written together, a Batch, shares
// a key, derived by HKDF-SHA-256 from the data key and 24 random bytes; the number of
// the record in its batch is the nonce. Both stand before the ciphertext, as its
// salt: no two records share one. One data key so serves for ever: random nonces
// under a single key would have to stop at 2^32 records.
type Sealer struct {
	key     []byte
	product string
	store   string
	last    atomic.Pointer[derived] // what opened last: the records of a batch are read together, too
}

// derived is the key of a batch.
type derived struct {
	random [randomSize]byte
	gcm    cipher.AEAD
}

// Batch seals the records of one write. It may be used by many at once, and is not
// to be kept: see Sealer.
type Batch struct {
	sealer *Sealer
	key    *derived
	err    error // why there is no key
	count  atomic.Uint64
}

// ErrUnseal is of a record that is not what was sealed for its place.
var ErrUnseal = errors.New("a record of the store failed authentication")

// Batch begins one write.
func (s *Sealer) Batch() *Batch {
	b := &Batch{sealer: s}
	var random [randomSize]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	b.key, b.err = s.derive(random)
	return b
}

// Seal binds the record to its store, domain, secret and, within the secret, to id:
// the ordinal of attributes, the UID of a value. A record of the gateway has no secret,
// and its key is the id.
func (b *Batch) Seal(d Domain, name secret.Name, id, plain []byte) ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	out := make([]byte, 0, SaltSize+len(plain)+TagSize)
	out = append(out, b.key.random[:]...)
	out = binary.BigEndian.AppendUint64(out, b.count.Add(1))
	return b.key.gcm.Seal(out, nonceOf(out), plain, b.sealer.associated(d, name, id)), nil
}

// nonceOf is what a salt ends with.
func nonceOf(salt []byte) []byte {
	nonce := make([]byte, nonceSize)
	copy(nonce[nonceSize-(SaltSize-randomSize):], salt[randomSize:])
	return nonce
}

// Unseal opens what a Batch made of the same place.
func (s *Sealer) Unseal(d Domain, name secret.Name, id, sealed []byte) ([]byte, error) {
	if len(sealed) < SaltSize+TagSize {
		return nil, ErrUnseal
	}
	salt, text := sealed[:SaltSize], sealed[SaltSize:]
	key := s.last.Load()
	if random := [randomSize]byte(salt); key == nil || key.random != random {
		var err error
		if key, err = s.derive(random); err != nil {
			return nil, err
		}
		s.last.Store(key)
	}
	plain, err := key.gcm.Open(nil, nonceOf(salt), text, s.associated(d, name, id))
	if err != nil {
		return nil, ErrUnseal
	}
	return plain, nil
}

func (s *Sealer) derive(random [randomSize]byte) (*derived, error) {
	k, err := hkdf.Key(sha256.New, s.key, random[:], "vaultferry "+s.product+" batch", KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a batch: %w", err)
	}
	block, err := aes.NewCipher(k)
	if err != nil {
		return nil, fmt.Errorf("derive the key of a batch: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	return &derived{random, gcm}, err
}

// associated encodes the associated data so that no two tuples share one.
func (s *Sealer) associated(d Domain, name secret.Name, id []byte) []byte {
	ad := make([]byte, 0, 16+len(s.store)+len(d)+len(name)+len(id))
	for _, p := range []string{s.store, string(d), string(name), string(id)} {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(p)))
		ad = append(ad, p...)
	}
	return ad
}
