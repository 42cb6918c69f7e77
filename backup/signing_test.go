package backup

import (
	"bytes"
	"crypto"
	"testing"
	"time"
)

func TestSigningKeys(t *testing.T) {
	t.Parallel()
	k, err := NewKeyringOf(AlgA256KW, AlgEdDSA, AlgES256)
	if err != nil {
		t.Fatal(err)
	}
	signer, id, _ := k.Signer()
	at := time.Unix(1_700_000_000, 0).UTC()
	if k, err = k.Retire(id, at); err != nil {
		t.Fatal(err)
	}
	all := k.SigningKeys()
	if len(all) != 2 || all[0].ID != id || all[0].Algorithm != AlgEdDSA || !all[0].Retired.Equal(at) || all[1].Algorithm != AlgES256 || !all[1].Retired.IsZero() {
		t.Fatalf("%d keys, or not those that sign, in their order", len(all))
	}
	if public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(all[0].Public) {
		t.Error("the key is not the public half of the signer")
	}
	half, err := k.Public()
	if err != nil {
		t.Fatal(err)
	}
	if len(half.SigningKeys()) != 2 {
		t.Error("a keyring of public halves knows no signatures")
	}
}

// TestFingerprints: the same data has the same one under a key, whether that
// still signs or not, and no other data has.
func TestFingerprints(t *testing.T) {
	t.Parallel()
	k, err := NewKeyringOf(AlgA256KW, AlgEdDSA, AlgES256)
	if err != nil {
		t.Fatal(err)
	}
	before := k.Fingerprints([]byte("pw"))
	if len(before) != 2 || len(before[0]) != 16 || bytes.Equal(before[0], before[1]) || bytes.Equal(before[0], k.Fingerprints([]byte("pw2"))[0]) {
		t.Fatalf("fingerprints: %x", before)
	}
	_, id, _ := k.Signer()
	if k, err = k.Retire(id, time.Unix(1_700_000_000, 0)); err != nil {
		t.Fatal(err)
	}
	after := k.Fingerprints([]byte("pw"))
	if !bytes.Equal(after[0], before[1]) || !bytes.Equal(after[1], before[0]) {
		t.Error("a retired key is not the second, or makes another")
	}
	none, err := NewKeyringOf(AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	if len(none.Fingerprints([]byte("pw"))) != 0 {
		t.Error("without a signing key")
	}
}
