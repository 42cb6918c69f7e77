package backup

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestContentKeySize: RSA wraps whatever the sender chose, and A256GCM has keys
// of 256 bits alone.
func TestContentKeySize(t *testing.T) {
	t.Parallel()
	k, err := NewKeyringOf(AlgRSA)
	if err != nil {
		t.Fatal(err)
	}
	public, ok := k.keys[0].public.(*rsa.PublicKey)
	if !ok {
		t.Fatal("the key is no RSA key")
	}
	protected := fmt.Sprintf(`{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":%q,"typ":"vaultferry-backup"}`, k.keys[0].id)
	for size, kind := range map[int]secret.Kind{16: secret.Corrupt, 24: secret.Corrupt, 32: 0} {
		cek := bytes.Repeat([]byte{7}, size)
		wrapped, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, cek, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = k.Open([]byte(craftWith(t, protected, cek, wrapped, mustEncode(t, smallDocument()))))
		if (err == nil) != (kind == 0) || err != nil && secret.KindOf(err) != kind {
			t.Errorf("a content key of %d bytes: %v", size, err)
		}
	}
}

// TestOpenLeavesTheBlob: it is decrypted in place, but not in the caller's.
func TestOpenLeavesTheBlob(t *testing.T) {
	t.Parallel()
	k := testKeyring(t)
	blob := mustSeal(t, k, smallDocument())
	before := bytes.Clone(blob)
	if _, err := k.Open(blob); err != nil || !bytes.Equal(before, blob) {
		t.Errorf("the blob is another after it was opened: %v", err)
	}
}
