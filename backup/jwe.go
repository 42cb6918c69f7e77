package backup

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"

	jose "github.com/go-jose/go-jose/v4"
)

// What a sealed object holds. The type stands in its protected header, so one
// can never be taken for the other.
const (
	typeBackup     = "vaultferry-backup"     // a document
	typeKey        = "vaultferry-key"        // a store's data key
	typeSession    = "vaultferry-session"    // a temporary credential
	typeRunKey     = "vaultferry-run-key"    // what the digests of an inventory are keyed with
	typeRepository = "vaultferry-repository" // the keys of a repository of snapshots
	typeAccessKey  = "vaultferry-access-key" // a caller's access key
)

// encryption is the one content encryption, for sealing and for opening.
const encryption = jose.A256GCM

// Sizes in bytes that do not depend on the key.
const (
	ivSize     = 12
	tagSize    = 16
	wrapSize   = 40   // a 256 bit key under A256KW
	headerSize = 1024 // far above the longest header we write
)

// header is the protected header in full: members in the order in which they
// stand, and no others.
type header struct {
	Alg jose.KeyAlgorithm      `json:"alg"`
	Enc jose.ContentEncryption `json:"enc"`
	EPK *ephemeral             `json:"epk,omitempty"`
	Kid string                 `json:"kid"`
	Typ string                 `json:"typ"`
}

// ephemeral is the sender's public key in ECDH-ES.
type ephemeral struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y"`
}

var (
	errParts   = errors.New("not five parts of canonical base64url")
	errHeader  = errors.New("the header is not one that this release writes")
	errSizes   = errors.New("a part has the wrong size")
	errEPK     = errors.New("the ephemeral key does not fit the key")
	errNoKey   = errors.New("the keyring has no such key to open with")
	errDecrypt = errors.New("authentication failed")
)

// seal encrypts and returns a compact JWE. The key must be able to seal.
func (k *key) seal(plain []byte, typ string) (string, error) {
	opts := (&jose.EncrypterOptions{}).WithType(jose.ContentType(typ))
	enc, err := jose.NewEncrypter(encryption, jose.Recipient{Algorithm: k.alg, Key: k.public, KeyID: k.id}, opts)
	if err != nil {
		return "", err
	}
	obj, err := enc.Encrypt(plain)
	if err != nil {
		return "", err
	}
	return obj.CompactSerialize()
}

// open decrypts a compact JWE of the given type. Everything about its form is
// checked before a key is touched.
func (k *Keyring) open(compact []byte, typ string) ([]byte, error) {
	parts := bytes.SplitN(compact, []byte("."), 6) // no more, whatever the sender chose
	if len(parts) != 5 || slices.ContainsFunc(parts, func(p []byte) bool { return !canonicalBase64URL(p) }) {
		return nil, errParts
	}
	h, err := parseHeader(parts[0])
	if err != nil || h.Typ != typ {
		return nil, errHeader
	}
	key := k.opener(h)
	if key == nil {
		return nil, k.whyNoOpener(h, parts)
	}
	if err := key.checkSizes(parts); err != nil {
		return nil, err
	}
	var epk *ecdsa.PublicKey
	if h.EPK != nil {
		if epk = h.EPK.on(key.public); epk == nil {
			return nil, errEPK
		}
	}
	plain, err := key.decrypt(parts, epk)
	if err != nil {
		return nil, errDecrypt
	}
	return plain, nil
}

// parseHeader accepts a header only if this package would write it so.
func parseHeader(part []byte) (*header, error) {
	if len(part) > headerSize {
		return nil, errHeader
	}
	raw, err := base64.RawURLEncoding.DecodeString(string(part))
	if err != nil {
		return nil, errHeader
	}
	var h header
	if err := json.Unmarshal(raw, &h); err != nil {
		return nil, errHeader
	}
	again, err := json.Marshal(h)
	if err != nil || !bytes.Equal(again, raw) {
		return nil, errHeader
	}
	if !slices.Contains([]jose.KeyAlgorithm{AlgA256KW, AlgECDH, AlgRSA}, h.Alg) {
		return nil, errHeader
	}
	if h.Enc != encryption || (h.EPK != nil) != (h.Alg == AlgECDH) {
		return nil, errHeader
	}
	return &h, nil
}

// opener finds the key that a header names, if it can open.
func (k *Keyring) opener(h *header) *key {
	for i := range k.keys {
		if key := &k.keys[i]; key.id == h.Kid && key.alg == h.Alg && key.canOpen() {
			return key
		}
	}
	return nil
}

// checkSizes takes the five parts, still encoded.
func (k *key) checkSizes(parts [][]byte) error {
	wrapped := wrapSize
	if pub, ok := k.public.(*rsa.PublicKey); ok {
		wrapped = pub.Size()
	}
	for i, want := range map[int]int{1: wrapped, 2: ivSize, 4: tagSize} {
		if base64.RawURLEncoding.DecodedLen(len(parts[i])) != want {
			return errSizes
		}
	}
	if len(parts[3]) == 0 {
		return errSizes
	}
	return nil
}

// on is the point as a key, if it is on the curve of ours and spelled in the one
// way that RFC 7518 allows.
func (e *ephemeral) on(public any) *ecdsa.PublicKey {
	pub, ok := public.(*ecdsa.PublicKey)
	if !ok || e.Kty != "EC" || e.Crv != pub.Curve.Params().Name {
		return nil
	}
	size := (pub.Curve.Params().BitSize + 7) / 8
	x, errX := DecodeBase64URL(e.X)
	y, errY := DecodeBase64URL(e.Y)
	if errX != nil || errY != nil || len(x) != size || len(y) != size {
		return nil
	}
	point, err := ecdsa.ParseUncompressedPublicKey(pub.Curve, slices.Concat([]byte{4}, x, y)) // refuses what is not on the curve
	if err != nil {
		return nil
	}
	return point
}
