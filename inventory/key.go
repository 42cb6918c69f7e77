package inventory

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"github.com/vaultferry/vaultferry/secret"
)

// KeySize is the size of a run key in bytes.
const KeySize = 32

// Key is the run key: what digests are keyed with. It cannot print.
type Key struct{ value secret.Value }

// NewKey returns a random key.
func NewKey() Key {
	b := make([]byte, KeySize)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return Key{secret.BinaryValue(b)}
}

// KeyFrom takes over the bytes of a key. Kind: Invalid.
func KeyFrom(b []byte) (Key, error) {
	if len(b) != KeySize {
		return Key{}, secret.Errorf(secret.Invalid, "a run key has %d bytes, not %d", KeySize, len(b))
	}
	return Key{secret.BinaryValue(b)}, nil
}

// Reveal discloses the key.
func (k Key) Reveal() []byte { return k.value.Reveal() }

// ID tells one key from another, and nothing of the key.
func (k Key) ID() string {
	return hex.EncodeToString(k.mac("run key", "").Sum(nil)[:8])
}

// Digest is an HMAC-SHA-256 in base64url without padding.
type Digest string

// digest is over the label, the name and the parts, each with its length.
func (k Key) digest(label string, name secret.Name, parts ...[]byte) Digest {
	h := k.mac(label, name)
	for _, p := range parts {
		writePart(h, p)
	}
	return Digest(base64.RawURLEncoding.EncodeToString(h.Sum(nil)))
}

// MAC authenticates parts under a label, which no digest of an inventory has.
func (k Key) MAC(label string, parts ...[]byte) Digest { return k.digest(label, "", parts...) }

func (k Key) mac(label string, name secret.Name) hash.Hash {
	h := hmac.New(sha256.New, k.Reveal())
	writePart(h, []byte(label))
	writePart(h, []byte(name))
	return h
}

func writePart(h hash.Hash, p []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(p)))
	h.Write(n[:])
	h.Write(p)
}
