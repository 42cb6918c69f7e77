package huaweicsms

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestForecastIsWhatHappens: whatever a document holds, CSMS holds it less
// exactly what was foretold, and so does a store in memory that imitates it.
func TestForecastIsWhatHappens(t *testing.T) {
	t.Parallel()
	real := open(t, gatewaytest.New(t, gatewaytest.Options{}))
	like := memory.New(memory.Options{}).Imitate(Imitation())
	documents := rapid.Custom(backendtest.Document)
	taken := 0
	for seed := range 30 {
		s := documents.Example(seed)
		s.Name = secret.Name(fmt.Sprintf("%d-%.40s", seed, s.Name))
		for _, d := range backendtest.ForecastDifferences(t.Context(), real, s) {
			t.Errorf("%d: CSMS: %s", seed, d)
		}
		for _, d := range backendtest.ForecastDifferences(t.Context(), like, s) {
			t.Errorf("%d: the imitation: %s", seed, d)
		}
		want, err := real.Export(t.Context(), s.Name)
		got, likeErr := like.Export(t.Context(), s.Name)
		if (err == nil) != (likeErr == nil) {
			t.Errorf("%d: CSMS says %v, the imitation %v", seed, err, likeErr)
		}
		if err == nil && likeErr == nil {
			backendtest.Compare(t, want, got, nil)
			taken++
		}
	}
	if taken < 20 {
		t.Errorf("only %d documents were taken", taken)
	}
}
