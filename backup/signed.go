package backup

import (
	"errors"
	"strings"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/secret"
)

// Sign returns a compact JWS of the payload by the key that signs, with typ in
// its protected header. Kind: Unsupported, where no key signs.
func (k *Keyring) Sign(typ string, payload []byte) (string, error) {
	private, id, ok := k.Signer()
	if !ok {
		return "", secret.Errorf(secret.Unsupported, "no key of the keyring signs")
	}
	alg := jose.SignatureAlgorithm("")
	for _, key := range k.SigningKeys() {
		if key.ID == id {
			alg = jose.SignatureAlgorithm(key.Algorithm)
		}
	}
	s, err := jose.NewSigner(
		jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: private, KeyID: id}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)),
	)
	if err != nil {
		return "", &secret.Error{Kind: secret.Internal, Op: "keyring.sign", Err: err}
	}
	jws, err := s.Sign(payload)
	if err != nil {
		return "", &secret.Error{Kind: secret.Internal, Op: "keyring.sign", Err: err}
	}
	return jws.CompactSerialize()
}

var errSignature = errors.New("no trusted key made this signature")

// Prove returns what Sign signed under the type by one of the keys, retired ones
// too: what a key signed before it was retired stays signed.
func Prove(keys []SigningKey, typ, compact string) ([]byte, error) {
	for part := range strings.SplitSeq(compact, ".") { // each in the one form that it encodes to
		if !canonicalBase64URL(part) {
			return nil, errSignature
		}
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, errSignature
	}
	h := jws.Signatures[0].Protected
	for _, key := range keys {
		if key.ID != h.KeyID || key.Algorithm != h.Algorithm || h.ExtraHeaders[jose.HeaderType] != typ {
			continue
		}
		if payload, err := jws.Verify(key.Public); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}
