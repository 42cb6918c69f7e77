package azurekv

import (
	"testing"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

func TestForecastIsWhatHappens(t *testing.T) {
	t.Parallel()
	backendtest.Imitates(t, open(t, gatewaytest.New(t, gatewaytest.Options{})), memory.New(memory.Options{}).Imitate(Profile()))
}
