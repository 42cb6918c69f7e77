package backup

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
)

// cekSize is that of the key under A256GCM, and of one that wraps it.
const cekSize = 32

// decrypt opens the five parts, whose form and sizes are checked; epk is the
// sender's key in ECDH-ES. It decrypts in place: a library that returns the
// content would hold a large one three times over. The pieces are the library's.
func (k *key) decrypt(parts [][]byte, epk *ecdsa.PublicKey) ([]byte, error) {
	var raw [3][]byte
	for i, part := range parts[:3] {
		var err error
		if raw[i], err = base64.RawURLEncoding.AppendDecode(nil, part); err != nil {
			return nil, err
		}
	}
	cek, err := k.unwrap(raw[1], epk)
	if err != nil {
		return nil, err
	}
	gcm, err := newGCM(cek)
	if err != nil {
		return nil, err
	}
	text := make([]byte, 0, base64.RawURLEncoding.DecodedLen(len(parts[3]))+tagSize)
	for _, part := range parts[3:] {
		if text, err = base64.RawURLEncoding.AppendDecode(text, part); err != nil {
			return nil, err
		}
	}
	return gcm.Open(text[:0], raw[2], text, parts[0])
}

// unwrap returns the key of the content.
func (k *key) unwrap(wrapped []byte, epk *ecdsa.PublicKey) ([]byte, error) {
	var kek []byte
	switch private := k.private.(type) {
	case []byte:
		kek = private
	case *ecdsa.PrivateKey:
		kek = josecipher.DeriveECDHES(string(k.alg), nil, nil, private, epk, cekSize)
	case *rsa.PrivateKey:
		return rsa.DecryptOAEP(sha256.New(), nil, private, wrapped, nil)
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	return josecipher.KeyUnwrap(block, wrapped)
}

// newGCM takes a key of 256 bits and no other: what was wrapped is the sender's
// choice.
func newGCM(cek []byte) (cipher.AEAD, error) {
	if len(cek) != cekSize {
		return nil, errSizes
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
