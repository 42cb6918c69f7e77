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

// domain is what a sealed record is. It is authenticated, so no record passes for
// one of another.
type domain string

const (
	domainHead    domain = "head"
	domainTrash   domain = "trash" // head of a deleted secret
	domainVersion domain = "version"
	domainValue   domain = "value"
	domainState   domain = "state"
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

// seal binds the record to its store, domain, secret and, within the secret, to
// id: the ordinal of attributes, the UID of a value. A record of the gateway has no secret, and its
// key is the id.
func (s *sealer) seal(d domain, name secret.Name, id, plain []byte) ([]byte, error) {
	out := make([]byte, saltSize, saltSize+len(plain)+tagSize)
	_, _ = rand.Read(out) // never fails (crypto/rand)
	gcm, nonce, err := s.derive(out)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(out, nonce, plain, s.associated(d, name, id)), nil
}

func (s *sealer) unseal(d domain, name secret.Name, id, sealed []byte) ([]byte, error) {
	if len(sealed) < saltSize+tagSize {
		return nil, errUnseal
	}
	gcm, nonce, err := s.derive(sealed[:saltSize])
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, sealed[saltSize:], s.associated(d, name, id))
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

// associated encodes the associated data so that no two tuples share one.
func (s *sealer) associated(d domain, name secret.Name, id []byte) []byte {
	var ad []byte
	for _, p := range [][]byte{[]byte(s.store), []byte(d), []byte(name), id} {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(p)))
		ad = append(ad, p...)
	}
	return ad
}
