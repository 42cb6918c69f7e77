package bolt

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

const (
	keySize   = 32
	saltSize  = 32
	nonceSize = 12
	tagSize   = 16
)

// What a sealed record is. It is authenticated, so no record passes for one of
// another kind.
const (
	sealedHead    = "head"
	sealedTrash   = "trash"
	sealedVersion = "version"
	sealedValue   = "value"
	sealedNote    = "note"
)

// sealer seals records with AES-256-GCM. Each record gets a key and a nonce of
// its own, derived by HKDF-SHA-256 from the data key and 32 random bytes that
// stand before the ciphertext. One data key so serves for ever: random nonces
// under a single key would have to stop at 2^32 records.
type sealer struct {
	key   []byte
	store string
}

var errUnseal = errors.New("a record of the store failed authentication")

// seal binds the record to its store, kind, secret and, within the secret, to
// part: the ordinal of attributes, the UID of a value. A note has no secret,
// and its key is the part.
func (s *sealer) seal(kind string, name secret.Name, part, plain []byte) ([]byte, error) {
	out := make([]byte, saltSize, saltSize+len(plain)+tagSize)
	_, _ = rand.Read(out) // never fails (crypto/rand)
	gcm, nonce, err := s.derive(out)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(out, nonce, plain, s.bound(kind, name, part)), nil
}

func (s *sealer) open(kind string, name secret.Name, part, sealed []byte) ([]byte, error) {
	if len(sealed) < saltSize+tagSize {
		return nil, errUnseal
	}
	gcm, nonce, err := s.derive(sealed[:saltSize])
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, sealed[saltSize:], s.bound(kind, name, part))
	if err != nil {
		return nil, errUnseal
	}
	return plain, nil
}

func (s *sealer) derive(salt []byte) (cipher.AEAD, []byte, error) {
	k, err := hkdf.Key(sha256.New, s.key, salt, "vaultferry bolt record", keySize+nonceSize)
	if err != nil {
		return nil, nil, fmt.Errorf("derive a record's key: %w", err)
	}
	block, err := aes.NewCipher(k[:keySize])
	if err != nil {
		return nil, nil, fmt.Errorf("derive a record's key: %w", err)
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, k[keySize:], err
}

// bound encodes the associated data so that no two tuples share one.
func (s *sealer) bound(kind string, name secret.Name, part []byte) []byte {
	var ad []byte
	for _, p := range [][]byte{[]byte(s.store), []byte(kind), []byte(name), part} {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(p)))
		ad = append(ad, p...)
	}
	return ad
}
