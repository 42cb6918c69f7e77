package kv1

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestV1ForecastIsWhatHappens: whatever a document holds, KV v1 holds it less
// exactly what was foretold.
func TestV1ForecastIsWhatHappens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	documents := rapid.Custom(backendtest.Document)
	taken := 0
	for seed := range 60 {
		s := documents.Example(seed)
		s.Name = secret.Name(fmt.Sprintf("%d-%.40s", seed, s.Name))
		for _, d := range backendtest.ForecastDifferences(t.Context(), f.Store, s) {
			t.Errorf("%d: %s", seed, d)
		}
		if _, err := f.Describe(t.Context(), s.Name); err == nil {
			taken++
		}
	}
	if taken < 40 {
		t.Errorf("only %d documents were taken", taken)
	}
}
