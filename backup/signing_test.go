package backup

import (
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
