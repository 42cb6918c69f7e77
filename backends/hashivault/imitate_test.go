package hashivault

import (
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
)

func TestForecastIsWhatHappensFlat(t *testing.T) {
	t.Parallel()
	backendtest.Imitates(t, newFlatFixture(t).Flat, memory.New(memory.Options{}).Imitate(FlatProfile()))
}

func TestForecastIsWhatHappens(t *testing.T) {
	t.Parallel()
	backendtest.Imitates(t, newFixture(t).Store, memory.New(memory.Options{}).Imitate(Profile()))
}
