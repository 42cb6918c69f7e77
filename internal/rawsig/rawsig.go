// Package rawsig signs and verifies bytes with the two kinds of keys that a
// keyring signs with, in the encodings that notes and DSSE envelopes take:
// Ed25519 as RFC 8032 has it, ECDSA over SHA-256 in ASN.1 DER.
package rawsig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
)

// Sign returns the signature of the message.
func Sign(by crypto.Signer, message []byte) ([]byte, error) {
	if _, ok := by.Public().(ed25519.PublicKey); ok {
		return by.Sign(rand.Reader, message, crypto.Hash(0))
	}
	sum := sha256.Sum256(message)
	return by.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// Verify reports whether the key made the signature of the message. No key of
// another kind did.
func Verify(key crypto.PublicKey, message, signature []byte) bool {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(k, message, signature)
	case *ecdsa.PublicKey:
		sum := sha256.Sum256(message)
		return ecdsa.VerifyASN1(k, sum[:], signature)
	}
	return false
}
