package backup

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"regexp"
)

// idsMember of the set is the secret that ids of secrets follow from.
const idsMember = "ids"

// IDKey returns a key for ids of one kind that clients are given and keep: the
// same on every gateway with the keyring, whatever keys come, go or are retired.
func (k *Keyring) IDKey(kind string) []byte {
	mac := hmac.New(sha256.New, k.ids)
	mac.Write([]byte(kind))
	return mac.Sum(nil)
}

func randomIDs() []byte {
	b := make([]byte, sha256.Size)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// readIDs derives what a set made by hand lacks from its first key, which no
// edit removes.
func (k *Keyring) readIDs() error {
	raw, ok := k.members[idsMember]
	if !ok {
		mac := hmac.New(sha256.New, k.keys[0].material())
		mac.Write([]byte("vaultferry ids"))
		k.ids = mac.Sum(nil)
		return nil
	}
	var text string
	if json.Unmarshal(raw, &text) != nil || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(text) {
		return keyringError("%q is not 64 lower-case hex digits", idsMember)
	}
	k.ids, _ = hex.DecodeString(text) // cannot fail: the pattern matched
	return nil
}

// material is what only holders of the key know; of a public half, what holders
// of that know.
func (k *key) material() []byte {
	switch m := k.private.(type) {
	case []byte:
		return m
	case *ecdsa.PrivateKey:
		if b, err := m.Bytes(); err == nil {
			return b
		}
	case *rsa.PrivateKey:
		return m.D.Bytes()
	case ed25519.PrivateKey:
		return m.Seed()
	}
	return k.thumbprint()
}
