package kv2

import (
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
)

func TestForecastIsWhatHappens(t *testing.T) {
	t.Parallel()
	backendtest.Imitates(t, newFixture(t).Store, memory.New(memory.Options{}).Imitate(Profile()))
}
