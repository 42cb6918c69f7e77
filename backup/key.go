package backup

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	jose "github.com/go-jose/go-jose/v4"
)

const (
	useEnc = "enc"
	useSig = "sig"

	// retiredMember marks a key that opens and no longer seals. Its value is
	// the time of retirement.
	retiredMember = "vaultferry_retired"

	minRSABits = 3072
)

// key is one member of a keyring. For oct keys public and private are both the
// key itself.
type key struct {
	id, use string
	alg     jose.KeyAlgorithm // of use sig: the signature algorithm
	ops     []string
	public  any
	private any // nil: the public half alone
	retired time.Time
	raw     json.RawMessage // as found, with the members that we do not know
}

// active reports whether the key may seal, or sign.
func (k *key) active() bool {
	if !k.retired.IsZero() {
		return false
	}
	if k.use == useSig {
		return k.private != nil && k.permits("sign")
	}
	return k.permits("wrapKey", "encrypt", "deriveKey", "deriveBits")
}

func (k *key) canOpen() bool {
	return k.use == useEnc && k.private != nil && k.permits("unwrapKey", "decrypt", "deriveKey", "deriveBits")
}

// permits follows RFC 7517: key_ops, where it stands, is the whole list.
func (k *key) permits(ops ...string) bool {
	return k.ops == nil || slices.ContainsFunc(ops, func(op string) bool { return slices.Contains(k.ops, op) })
}

// thumbprint is that of RFC 7638.
func (k *key) thumbprint() []byte {
	if oct, ok := k.public.([]byte); ok { // go-jose has none for these
		sum := sha256.Sum256([]byte(`{"k":"` + EncodeBase64URL(oct) + `","kty":"oct"}`))
		return sum[:]
	}
	b, err := (&jose.JSONWebKey{Key: k.public}).Thumbprint(crypto.SHA256)
	if err != nil { // parseKey lets only types in that have one
		panic(err)
	}
	return b
}

var keyID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@=+-]{0,127}$`)

func validKeyID(s string) bool { return keyID.MatchString(s) }

// parseKey never includes an error of a decoder: those may quote the key.
func parseKey(raw json.RawMessage) (key, error) {
	var m struct {
		Kid     string   `json:"kid"`
		Use     string   `json:"use"`
		Alg     string   `json:"alg"`
		Ops     []string `json:"key_ops"`
		Retired *string  `json:"vaultferry_retired"`
	}
	if json.Unmarshal(raw, &m) != nil {
		return key{}, errors.New("kid, use, alg, key_ops or vaultferry_retired is of the wrong type")
	}
	if !validKeyID(m.Kid) {
		return key{}, errors.New("kid is missing, longer than 128, or holds other characters than letters, digits and ._:/@=+-")
	}
	k := key{id: m.Kid, use: m.Use, alg: jose.KeyAlgorithm(m.Alg), ops: m.Ops, raw: raw}
	if m.Retired != nil {
		at, err := time.Parse(time.RFC3339, *m.Retired)
		if err != nil || at.IsZero() {
			return key{}, fmt.Errorf("%s: %s is not an RFC 3339 time", k.id, retiredMember)
		}
		k.retired = at
	}
	var j jose.JSONWebKey
	if j.UnmarshalJSON(raw) != nil {
		return key{}, fmt.Errorf("%s: not a well-formed oct, EC, RSA or OKP key", k.id)
	}
	k.take(j.Key)
	if err := k.check(); err != nil {
		return key{}, fmt.Errorf("%s: %w", k.id, err)
	}
	return k, nil
}

func (k *key) take(material any) {
	switch m := material.(type) {
	case []byte:
		k.public, k.private = m, m
	case *ecdsa.PrivateKey:
		k.public, k.private = &m.PublicKey, m
	case *rsa.PrivateKey:
		m.Precompute()
		k.public, k.private = &m.PublicKey, m
	case ed25519.PrivateKey:
		k.public, k.private = m.Public(), m
	default:
		k.public = m
	}
}

// check ties alg and use to the type of key and to its strength.
func (k *key) check() error {
	want := useEnc
	if k.alg == AlgEdDSA || k.alg == AlgES256 {
		want = useSig
	}
	if k.use != want {
		return fmt.Errorf("use is not %q, as alg asks for", want)
	}
	ok := false
	switch pub := k.public.(type) {
	case []byte:
		ok = k.alg == AlgA256KW && len(pub) == 32
	case *ecdsa.PublicKey:
		ok = (k.alg == AlgECDH || k.alg == AlgES256 && pub.Curve.Params().Name == "P-256") && k.halvesMatch(pub)
	case *rsa.PublicKey:
		ok = k.alg == AlgRSA && pub.N.BitLen() >= minRSABits
	case ed25519.PublicKey:
		ok = k.alg == AlgEdDSA
	}
	if !ok {
		return fmt.Errorf("alg does not fit the key: want a 256 bit oct key with %s, EC with %s, RSA of %d bits or more with %s, Ed25519 with %s, or P-256 with %s",
			AlgA256KW, AlgECDH, minRSABits, AlgRSA, AlgEdDSA, AlgES256)
	}
	return nil
}

// halvesMatch reports whether d belongs to x and y: JSON can hold any three.
func (k *key) halvesMatch(pub *ecdsa.PublicKey) bool {
	have, err := pub.ECDH()
	if err != nil {
		return false
	}
	priv, ok := k.private.(*ecdsa.PrivateKey)
	if !ok {
		return true
	}
	d, err := priv.ECDH()
	return err == nil && d.PublicKey().Equal(have)
}
