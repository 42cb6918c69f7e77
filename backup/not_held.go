package backup

import (
	"crypto/ecdsa"
	"encoding/base64"

	"github.com/vaultferry/vaultferry/secret"
)

// notHeld is a blob, or what else a keyring seals, of good form under a key that
// the keyring does not hold. Nothing of it is authenticated.
type notHeld struct{ id string }

func (e *notHeld) Error() string {
	return "sealed with key " + e.id + ", which the keyring does not hold"
}

func (e *notHeld) public() error {
	return &secret.Error{Kind: secret.NoKey, Op: "backup.open", Detail: "the backup is " + e.Error()}
}

// whyNoOpener says why no key opens what the header names. It is notHeld only
// for what may be whole: of a key that is held, a changed header is no more
// than another damage.
func (k *Keyring) whyNoOpener(h *header, parts [][]byte) error {
	if k.find(h.Kid) >= 0 || !validKeyID(h.Kid) || !mayBeWhole(h, parts) || k.unwraps(h, parts) {
		return errNoKey
	}
	return &notHeld{h.Kid}
}

// mayBeWhole checks the sizes that do not depend on the key.
func mayBeWhole(h *header, parts [][]byte) bool {
	size := func(i int) int { return base64.RawURLEncoding.DecodedLen(len(parts[i])) }
	wrapped := size(1) == wrapSize
	if h.Alg == AlgRSA {
		wrapped = size(1) >= minRSABits/8
	}
	return wrapped && size(2) == ivSize && len(parts[3]) > 0 && size(4) == tagSize
}

// unwraps reports whether the content's key is wrapped for a key that is held,
// whatever the header says.
func (k *Keyring) unwraps(h *header, parts [][]byte) bool {
	wrapped, err := base64.RawURLEncoding.AppendDecode(nil, parts[1])
	if err != nil {
		return false
	}
	for i := range k.keys {
		key := &k.keys[i]
		if !key.canOpen() || key.checkSizes(parts) != nil {
			continue
		}
		var epk *ecdsa.PublicKey
		if key.alg == AlgECDH {
			if h.EPK == nil {
				continue
			}
			if epk = h.EPK.on(key.public); epk == nil {
				continue
			}
		}
		if _, err := key.unwrap(wrapped, epk); err == nil {
			return true
		}
	}
	return false
}
