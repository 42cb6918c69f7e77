package rawsig_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/vaultferry/vaultferry/internal/rawsig"
)

func TestSign(t *testing.T) {
	t.Parallel()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("a message")
	for _, by := range []crypto.Signer{ed, ec} {
		sig, err := rawsig.Sign(by, message)
		if err != nil || !rawsig.Verify(by.Public(), message, sig) {
			t.Errorf("%T: its own signature is not its own: %v", by, err)
		}
		for i := range sig {
			sig[i] ^= 1
			if rawsig.Verify(by.Public(), message, sig) {
				t.Errorf("%T: a signature with byte %d changed is good", by, i)
			}
			sig[i] ^= 1
		}
		if rawsig.Verify(by.Public(), []byte("another"), sig) || rawsig.Verify(&rsa.PublicKey{}, message, sig) {
			t.Errorf("%T: the signature is good for more than its message and key", by)
		}
	}
}
