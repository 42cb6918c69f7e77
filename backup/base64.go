package backup

import (
	"encoding/base64"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// EncodeBase64URL returns the base64url form without padding, in which the
// azure dialect hands a blob out.
func EncodeBase64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// DecodeBase64URL accepts exactly what EncodeBase64URL writes: no padding, no
// line breaks, no stray bits at the end. Anything else is Corrupt.
func DecodeBase64URL(s string) ([]byte, error) {
	if !canonicalBase64URL(s) {
		return nil, secret.Errorf(secret.Corrupt, "not canonical base64url")
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, &secret.Error{Kind: secret.Corrupt, Detail: "not canonical base64url", Err: err}
	}
	return b, nil
}

const base64URLAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// canonicalBase64URL reports whether decoding s and encoding it again gives s.
// The standard decoder skips line breaks and, unless strict, ignores the bits
// left over at the end.
func canonicalBase64URL[T string | []byte](s T) bool {
	// A table instead of comparisons: a blob may have tens of megabytes.
	var foreign [256]byte
	for i := range foreign {
		foreign[i] = 1
	}
	for _, c := range []byte(base64URLAlphabet) {
		foreign[c] = 0
	}
	var found byte
	for i := range len(s) {
		found |= foreign[s[i]]
	}
	if found != 0 || len(s)%4 == 1 {
		return false
	}
	if len(s)%4 == 0 {
		return true
	}
	stray := 0xf // bits of the last of two characters that encode nothing
	if len(s)%4 == 3 {
		stray = 0x3
	}
	return strings.IndexByte(base64URLAlphabet, s[len(s)-1])&stray == 0
}
