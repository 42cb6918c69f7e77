package sealed

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"

	"github.com/vaultferry/vaultferry/backends"
)

// NewKey makes a data key for a store, and returns it wrapped by the keyring.
// product and store are what all its records are bound to.
func NewKey(keys backends.KeyWrapper, product, store string) (wrapped []byte, s *Sealer, err error) {
	key := make([]byte, KeySize)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	if wrapped, err = keys.WrapKey(key, keyOf(product, store)); err != nil {
		return nil, nil, fmt.Errorf("wrap the data key: %w", err)
	}
	return wrapped, &Sealer{key: key, product: product, store: store}, nil
}

// OpenKey opens what NewKey has wrapped. Its error means that the keyring is
// another one.
func OpenKey(keys backends.KeyWrapper, wrapped []byte, product, store string) (*Sealer, error) {
	key, err := keys.UnwrapKey(wrapped, keyOf(product, store))
	if err == nil && len(key) != KeySize {
		err = fmt.Errorf("the data key has %d bytes", len(key))
	}
	if err != nil {
		return nil, err
	}
	return &Sealer{key: key, product: product, store: store}, nil
}

// Rewrap wraps the data key by the key of the keyring that seals now.
func Rewrap(keys backends.KeyWrapper, wrapped []byte, product, store string) ([]byte, error) {
	key, err := keys.UnwrapKey(wrapped, keyOf(product, store))
	if err != nil {
		return nil, err
	}
	return keys.WrapKey(key, keyOf(product, store))
}

// keyOf binds a wrapped key to the store that it is of.
func keyOf(product, store string) string { return fmt.Sprintf("data key %q %q", product, store) }

// Derive returns a key of 32 bytes for another use than sealing.
func (s *Sealer) Derive(use string) ([]byte, error) {
	return hkdf.Key(sha256.New, s.key, nil, "vaultferry "+s.product+" "+use, KeySize)
}
