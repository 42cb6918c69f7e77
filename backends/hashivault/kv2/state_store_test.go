package kv2

import (
	"errors"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestStateDeletedNatively: a state record that native tools deleted is none,
// and can be made anew; one version of it is kept.
func TestStateDeletedNatively(t *testing.T) {
	f := newFixture(t)
	path := f.statePath("n")
	if err := f.WriteState(t.Context(), "n", []byte(`{"n":1}`), ""); err != nil {
		t.Fatal(err)
	}
	if err := f.kv.Delete(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.ReadState(t.Context(), "n"); !errors.Is(err, secret.NotFound) {
		t.Errorf("ReadState of a deleted state record: %v", err)
	}
	if err := f.WriteState(t.Context(), "n", []byte(`{"n":2}`), ""); err != nil {
		t.Fatal(err)
	}
	text, revision, err := f.ReadState(t.Context(), "n")
	if err != nil || string(text) != `{"n":2}` {
		t.Fatalf("ReadState: %s, %v", text, err)
	}
	if err := f.open(t, nil).WriteState(t.Context(), "n", []byte(`{"n":3}`), revision); err != nil {
		t.Fatal(err)
	}
	kept, err := f.kv.GetVersionsAsList(t.Context(), path)
	if err != nil || len(kept) != 1 {
		t.Errorf("%d versions are kept: %v", len(kept), err)
	}
}
