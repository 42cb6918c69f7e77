package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"

	jose "github.com/go-jose/go-jose/v4"
)

// A document that is sealed with an asymmetric key says of itself who made it:
// its last member is a detached JWS by the key that signs. See FORMAT.md.

// signatureMember begins the member in an encoded document.
const signatureMember = `,"signature":"`

// maxSignature bounds the member, in bytes: far above the longest that we write.
const maxSignature = 1024

// sign returns an encoded document with its signature. The document comes back
// as it is where that would prove nothing more: sealed with a symmetric key, it
// can only come from a holder of the keyring; and where no key signs.
func (k *Keyring) sign(plain []byte) ([]byte, error) {
	if _, _, signs := k.Signer(); !signs || k.SealsSymmetric() {
		return plain, nil
	}
	compact, err := k.Sign(typeBackup, digest(plain))
	if err != nil {
		return nil, err
	}
	parts := strings.Split(compact, ".")
	plain = append(plain[:len(plain)-1], signatureMember...)
	return append(append(plain, parts[0]+".."+parts[2]...), '"', '}'), nil
}

// digest is what a signature is of: SHA-256 of the document without it, in hex.
func digest(pieces ...[]byte) []byte {
	h := sha256.New()
	for _, p := range pieces {
		h.Write(p)
	}
	return hex.AppendEncode(nil, h.Sum(nil))
}

// signedHeader is the protected header of a signature in full, as header is that
// of a blob.
type signedHeader struct {
	Alg jose.KeyAlgorithm `json:"alg"`
	Kid string            `json:"kid"`
	Typ string            `json:"typ"`
}

// signedBy returns the id of the key that signed the document, whose canonical
// encoding plain is. Empty: it is not signed, or by a key that the keyring does
// not hold. It fails where the keyring holds the key and it did not sign this.
func (k *Keyring) signedBy(d *Document, plain []byte) (string, error) {
	if d.Signature == "" {
		return "", nil
	}
	h, err := parseSignedHeader(d.Signature)
	if err != nil {
		return "", err
	}
	for _, key := range k.SigningKeys() {
		if key.ID != h.Kid || key.Algorithm != string(h.Alg) {
			continue
		}
		rest, ok := bytes.CutSuffix(plain, []byte(signatureMember+d.Signature+`"}`))
		if !ok { // the encoding is canonical, so it ends so
			return "", errSignature
		}
		payload := EncodeBase64URL(digest(rest, []byte("}")))
		_, err := Prove([]SigningKey{key}, typeBackup, strings.Replace(d.Signature, "..", "."+payload+".", 1))
		return key.ID, err
	}
	return "", nil
}

// parseSignedHeader accepts a signature only of the form that sign gives it.
func parseSignedHeader(text string) (*signedHeader, error) {
	parts := strings.Split(text, ".")
	if len(text) > maxSignature || len(parts) != 3 || parts[1] != "" || !canonicalBase64URL(parts[0]) || !canonicalBase64URL(parts[2]) {
		return nil, errSignature
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return nil, errSignature
	}
	var h signedHeader
	if json.Unmarshal(raw, &h) != nil {
		return nil, errSignature
	}
	again, err := json.Marshal(h)
	if err != nil || !bytes.Equal(again, raw) || h.Typ != typeBackup || h.Alg != AlgEdDSA && h.Alg != AlgES256 {
		return nil, errSignature
	}
	return &h, nil
}
