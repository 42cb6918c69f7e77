package backup

import (
	"bytes"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestAnotherKeyring: a blob that may be good is told from a broken one, with
// the id of its key, whatever the algorithm.
func TestAnotherKeyring(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{string(AlgA256KW), string(AlgECDH), string(AlgRSA)} {
		other, err := NewKeyringOf(alg)
		if err != nil {
			t.Fatal(err)
		}
		blob, k := mustSeal(t, other, smallDocument()), testKeyring(t)
		id := other.Keys()[0].ID
		_, err = k.Open(blob)
		if secret.KindOf(err) != secret.NoKey || !strings.Contains(secret.DetailOf(err), id) {
			t.Errorf("%s: %v", alg, err)
		}
		dots := 0
		for i := range blob {
			if blob[i] == '.' {
				dots++
			}
		}
		for name, broken := range map[string][]byte{
			"cut":               blob[:len(blob)-1],
			"cut to its header": blob[:bytes.LastIndexByte(blob, '.')],
			"without text":      bytes.Replace(blob, blob[nth(blob, dots-1):nth(blob, dots)], []byte("."), 1),
			"a part more":       append(bytes.Clone(blob), ".AAAA"...),
			"no base64url":      append(bytes.Clone(blob[:len(blob)-1]), '+'),
		} {
			if _, err := k.Open(broken); secret.KindOf(err) != secret.Corrupt || secret.DetailOf(err) != cannotOpen {
				t.Errorf("%s, %s: %v", alg, name, err)
			}
		}
	}
}

// nth is the index of the n-th dot.
func nth(b []byte, n int) int {
	for i := range b {
		if b[i] == '.' {
			if n--; n == 0 {
				return i
			}
		}
	}
	return len(b)
}
