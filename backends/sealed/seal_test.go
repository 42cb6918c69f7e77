package sealed

import (
	"bytes"
	"testing"
)

// TestSealBinds: a sealed record opens in its own place alone, and not at all
// with one bit turned.
func TestSealBinds(t *testing.T) {
	t.Parallel()
	s := Sealer{key: bytes.Repeat([]byte{1}, KeySize), product: "bolt", store: "store"}
	plain, id := []byte("plain"), []byte("id")
	sealed, err := s.Seal(Value, "name", id, plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Unseal(Value, "name", id, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("it does not open in its own place: %v", err)
	}
	otherKey, otherStore, otherProduct := s, s, s
	otherKey.key = bytes.Repeat([]byte{2}, KeySize)
	otherStore.store = "stor"
	otherProduct.product = "bold"
	for what, try := range map[string]func() ([]byte, error){
		"key":                   func() ([]byte, error) { return otherKey.Unseal(Value, "name", id, sealed) },
		"store":                 func() ([]byte, error) { return otherStore.Unseal(Value, "name", id, sealed) },
		"product":               func() ([]byte, error) { return otherProduct.Unseal(Value, "name", id, sealed) },
		"domain":                func() ([]byte, error) { return s.Unseal(Head, "name", id, sealed) },
		"name":                  func() ([]byte, error) { return s.Unseal(Value, "nam", id, sealed) },
		"border of two members": func() ([]byte, error) { return s.Unseal(Value, "nam", []byte("eid"), sealed) },
		"id":                    func() ([]byte, error) { return s.Unseal(Value, "name", nil, sealed) },
		"length":                func() ([]byte, error) { return s.Unseal(Value, "name", id, sealed[:SaltSize+TagSize-1]) },
	} {
		if _, err := try(); err == nil {
			t.Errorf("it opens under another %s", what)
		}
	}
	for i := range sealed {
		turned := bytes.Clone(sealed)
		turned[i] ^= 1
		if _, err := s.Unseal(Value, "name", id, turned); err == nil {
			t.Errorf("it opens with a bit of byte %d turned", i)
		}
	}
	twin, err := s.Seal(Value, "name", id, plain)
	if err != nil || bytes.Equal(sealed, twin) {
		t.Errorf("one record sealed twice is the same: %v", err)
	}
}
