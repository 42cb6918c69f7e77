package azure_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// BenchmarkGetSecret is what a read costs without the network.
func BenchmarkGetSecret(b *testing.B) {
	g := gatewaytest.New(b, gatewaytest.Options{})
	send := func(method, body string) int {
		w := httptest.NewRecorder()
		r := request(b, g, method, g.VaultURL("main")+"/secrets/bench/?api-version=2026-04-01", body)
		g.Handler.ServeHTTP(w, r)
		return w.Code
	}
	if code := send(http.MethodPut, `{"value":"a value of some length"}`); code != http.StatusOK {
		b.Fatalf("status %d", code)
	}
	b.ReportAllocs()
	for b.Loop() {
		if send(http.MethodGet, "") != http.StatusOK {
			b.Fatal("a read failed")
		}
	}
}
