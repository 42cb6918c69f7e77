package sealed

import (
	"bytes"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestSealBinds: a sealed record opens in its own place alone, and not at all
// with one bit turned.
func TestSealBinds(t *testing.T) {
	t.Parallel()
	s := &Sealer{key: bytes.Repeat([]byte{1}, KeySize), product: "bolt", store: "store"}
	plain, id := []byte("plain"), []byte("id")
	sealed, err := s.Batch().Seal(Value, "name", id, plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Unseal(Value, "name", id, sealed); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("it does not open in its own place: %v", err)
	}
	otherKey := &Sealer{key: bytes.Repeat([]byte{2}, KeySize), product: s.product, store: s.store}
	otherStore := &Sealer{key: s.key, product: s.product, store: "stor"}
	otherProduct := &Sealer{key: s.key, product: "bold", store: s.store}
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
	twin, err := s.Batch().Seal(Value, "name", id, plain)
	if err != nil || bytes.Equal(sealed, twin) {
		t.Errorf("one record sealed twice is the same: %v", err)
	}
}

// TestBatch: the records of a batch, sealed by many at once, have salts of their own,
// and open in any order among those of another.
func TestBatch(t *testing.T) {
	t.Parallel()
	s := &Sealer{key: bytes.Repeat([]byte{1}, KeySize), product: "bolt", store: "store"}
	const each = 100
	batches := []*Batch{s.Batch(), s.Batch()}
	records := make([][]byte, 4*each)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range each {
				records[g*each+i], _ = batches[g%2].Seal(Value, "name", OrdinalID(secret.Ordinal(i)), []byte("plain"))
			}
		})
	}
	all.Wait()
	salts := map[string]bool{}
	for i := range each {
		for g := range 4 {
			r := records[g*each+i]
			if got, err := s.Unseal(Value, "name", OrdinalID(secret.Ordinal(i)), r); err != nil || string(got) != "plain" {
				t.Fatalf("record %d of %d does not open: %v", i, g, err)
			}
			salts[string(r[:SaltSize])] = true
		}
	}
	if len(salts) != len(records) {
		t.Errorf("%d records have %d salts", len(records), len(salts))
	}
}
