package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
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

// Unwrap finds the blob in what people keep: the blob itself, its base64url
// form, or the JSON answer of either wire ({"value": "<base64url>"} or
// {"secret_blob": "<blob>"}). White space around it, in an answer too, is
// ignored. It proves nothing about the blob: Open does.
func Unwrap(raw []byte) ([]byte, error) {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) == 0:
		return nil, secret.Errorf(secret.Corrupt, "there is no backup blob in it")
	case raw[0] == lengthByte:
		return raw, nil
	case raw[0] == '{':
		return unwrapAnswer(raw)
	}
	return unwrapBase64URL(string(raw))
}

func unwrapAnswer(raw []byte) ([]byte, error) {
	var answer struct {
		Value *string `json:"value"`
		Blob  *string `json:"secret_blob"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&answer); err != nil || dec.InputOffset() != int64(len(raw)) {
		return nil, secret.Errorf(secret.Corrupt, "not the JSON answer of a backup")
	}
	switch {
	case answer.Value != nil && answer.Blob == nil:
		return unwrapBase64URL(strings.TrimSpace(*answer.Value))
	case answer.Blob != nil && answer.Value == nil:
		if blob := strings.TrimSpace(*answer.Blob); strings.HasPrefix(blob, string(rune(lengthByte))) {
			return []byte(blob), nil
		}
	}
	return nil, secret.Errorf(secret.Corrupt, "not the JSON answer of a backup")
}

func unwrapBase64URL(s string) ([]byte, error) {
	b, err := DecodeBase64URL(s)
	if err != nil || len(b) == 0 || b[0] != lengthByte {
		return nil, secret.Errorf(secret.Corrupt, "neither a backup blob nor its base64url form")
	}
	return b, nil
}
