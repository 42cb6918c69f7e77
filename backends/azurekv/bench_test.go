package azurekv

import (
	"testing"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// BenchmarkGet reads the current version of a secret.
func BenchmarkGet(b *testing.B) {
	v := open(b, gatewaytest.New(b, gatewaytest.Options{}))
	if _, err := v.Put(b.Context(), "s", secret.Draft{Value: secret.TextValue("x")}); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := v.Get(b.Context(), "s", secret.Current); err != nil {
			b.Fatal(err)
		}
	}
}
