package backup

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"
)

// TestIDKeyStays: clients keep ids, so their key outlives every edit of the
// keyring, a restart, and the way to a gateway that only seals.
func TestIDKeyStays(t *testing.T) {
	t.Parallel()
	byHand, err := ParseKeyring([]byte(`{"keys":[` + jwk(t, "aes", nil) + `,` + jwk(t, "rsa", nil) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	made, err := NewKeyringOf(AlgECDH, AlgEdDSA)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*Keyring{"made by hand": byHand, "new": made} {
		want := k.IDKey("kind")
		added, id, err := k.Add(AlgECDH)
		if err != nil {
			t.Fatal(err)
		}
		retired, err := added.Retire(k.Keys()[0].ID, time.Unix(1e9, 0))
		if err != nil {
			t.Fatal(err)
		}
		public, err := retired.Public()
		if err != nil || public.find(id) < 0 {
			t.Fatalf("%s: the public half: %v", name, err)
		}
		for what, other := range map[string]*Keyring{"read again": reparse(t, k), "with a key more": reparse(t, added), "with a retired key": reparse(t, retired), "the public half": reparse(t, public)} {
			if !bytes.Equal(other.IDKey("kind"), want) {
				t.Errorf("%s: %s has other ids", name, what)
			}
		}
		if bytes.Equal(k.IDKey("other"), want) {
			t.Errorf("%s: two kinds have one key", name)
		}
	}
	if bytes.Equal(byHand.IDKey("kind"), made.IDKey("kind")) {
		t.Error("two keyrings have the same ids")
	}
	for _, id := range []string{"aes", "rsa", "ec-p256", "sign"} { // of each kind of key
		a, err := ParseKeyring([]byte(`{"keys":[` + jwk(t, id, nil) + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(a.IDKey("kind"), byHand.IDKey("kind")) != (id == "aes") {
			t.Errorf("%s: ids follow from another than the first key", id)
		}
	}
}

// TestIDKeyStaysHere: what auditors are given tells nothing of the secret that
// ids follow from.
func TestIDKeyStaysHere(t *testing.T) {
	t.Parallel()
	byHand, err := ParseKeyring([]byte(`{"keys":[` + jwk(t, "aes", nil) + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	if byHand, _, err = byHand.Add(AlgEdDSA); err != nil {
		t.Fatal(err)
	}
	made, err := NewKeyringOf(AlgECDH, AlgEdDSA)
	if err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]*Keyring{"made by hand": byHand, "new": made} {
		public, err := k.PublicSigning()
		if err != nil {
			t.Fatal(err)
		}
		b, err := public.Reveal()
		if err != nil || bytes.Contains(b, []byte(`"ids"`)) || bytes.Contains(b, []byte(hex.EncodeToString(k.ids))) {
			t.Errorf("%s: the public halves hold the secret: %v", name, err)
		}
		if bytes.Equal(public.IDKey("kind"), k.IDKey("kind")) || !bytes.Equal(reparse(t, public).IDKey("kind"), public.IDKey("kind")) {
			t.Errorf("%s: the public halves make the same ids", name)
		}
		if public.GatewayID() != k.GatewayID() || len(public.SigningKeys()) != 1 {
			t.Errorf("%s: the public halves do not verify", name)
		}
	}
}
