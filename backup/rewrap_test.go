package backup

import (
	"errors"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// TestRewrap: what is sealed anew is the same document under the present key, proved
// as that key proves it; and nobody gains a proof by it.
func TestRewrap(t *testing.T) {
	t.Parallel()
	rings := map[string]*Keyring{}
	for _, alg := range []string{AlgA256KW, AlgECDH, AlgRSA} {
		k, err := NewKeyringOf(alg, AlgEdDSA)
		if err != nil {
			t.Fatal(err)
		}
		rings[alg] = k
	}
	doc := fullDocument()
	for from, ring := range rings {
		for to := range rings {
			old := ring.Keys()[0].ID
			both, added, err := ring.Add(to)
			if err != nil {
				t.Fatal(err)
			}
			blob := mustSeal(t, ring, doc)
			if again, err := both.Rewrap(blob, false); err != nil || again != nil {
				t.Errorf("%s: the key that seals now has sealed it already: %v", from, err)
			}
			now, err := both.Retire(old, time.Unix(1e9, 0))
			if err != nil {
				t.Fatal(err)
			}
			again, err := now.Rewrap(blob, false)
			if err != nil {
				t.Fatal(from, to, err)
			}
			h, _ := Inspect(again)
			got, err := now.Open(again)
			if err != nil || h.KeyID != added || h.Algorithm != to || !same(got, doc) || got.ProvedBy == "" {
				t.Errorf("%s to %s: %+v, %v", from, to, h, err)
			}
			if same, err := now.Rewrap(again, false); err != nil || same != nil {
				t.Errorf("%s to %s: it is sealed anew again: %v", from, to, err)
			}
		}
	}
}

func TestRewrapProvesNothingNew(t *testing.T) {
	t.Parallel()
	escrow, err := NewKeyringOf(AlgECDH) // no key signs
	if err != nil {
		t.Fatal(err)
	}
	stranger := mustSeal(t, escrow, fullDocument())
	ring, _, err := escrow.Add(AlgA256KW)
	if err == nil {
		ring, err = ring.Retire(escrow.Keys()[0].ID, time.Unix(1e9, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ring.Rewrap(stranger, false); !errors.Is(err, secret.Denied) || again != nil {
		t.Errorf("a stranger's backup becomes ours: %v", err)
	}
	again, err := ring.Rewrap(stranger, true)
	if err != nil {
		t.Fatal(err)
	}
	if d, err := ring.Open(again); err != nil || d.ProvedBy == "" {
		t.Error(d, err)
	}
	for what, blob := range map[string][]byte{"cut": stranger[:len(stranger)-1], "none": []byte(")x"), "empty": nil} {
		if again, err := ring.Rewrap(blob, true); !errors.Is(err, secret.Corrupt) || again != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := ring.Rewrap(mustSeal(t, NewKeyring(), fullDocument()), true); !errors.Is(err, secret.NoKey) {
		t.Errorf("another keyring's: %v", err)
	}
}
