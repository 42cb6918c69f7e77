package backendtest

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Imitates checks that, whatever a document holds, the product holds it less
// exactly what was foretold, and so does like, a store that imitates it. Both
// are empty.
func Imitates(t *testing.T, product, like backends.Backend) {
	t.Helper()
	documents := rapid.Custom(Document)
	taken := 0
	for seed := range 30 {
		s := documents.Example(seed)
		s.Name = secret.Name(fmt.Sprintf("%d-%.40s", seed, s.Name))
		for _, d := range ForecastDifferences(t.Context(), product, s) {
			t.Errorf("%d: the product: %s", seed, d)
		}
		for _, d := range ForecastDifferences(t.Context(), like, s) {
			t.Errorf("%d: the imitation: %s", seed, d)
		}
		want, err := product.Export(t.Context(), s.Name)
		got, likeErr := like.Export(t.Context(), s.Name)
		if (err == nil) != (likeErr == nil) {
			t.Errorf("%d: the product says %v, the imitation %v", seed, err, likeErr)
		}
		if err == nil && likeErr == nil {
			Compare(t, want, got, nil)
			taken++
		}
	}
	if taken < 20 {
		t.Errorf("only %d documents were taken", taken)
	}
}
