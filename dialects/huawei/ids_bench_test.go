package huawei_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// BenchmarkIDs is what a stranger pays for an id in a store of 20,000 secrets:
// of what is there and hidden, of what is gone, and one that is made up. The look
// that is due once in 30 seconds is reported beside the first.
func BenchmarkIDs(b *testing.B) {
	store, keys := memory.New(memory.Options{}), gatewaytest.NewKeyring(b)
	for i := range 20_000 {
		if _, err := store.Put(b.Context(), secret.Name(fmt.Sprintf("others-%05d", i)), secret.Draft{Value: secret.TextValue("x")}); err != nil {
			b.Fatal(err)
		}
	}
	open := func(rules ...access.Rule) *gatewaytest.Gateway {
		return gatewaytest.New(b, gatewaytest.Options{Keyring: keys, Policy: rules, Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: store}}})
	}
	owner := open()
	g := open(access.Rule{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"mine"}})
	f := &fleet{store: store, start: time.Now()}
	for name, id := range map[string]string{
		"hidden": f.id(b, owner, "others-10000"), "gone": f.dead(b, owner, "gone"), "made-up": uuid.NewString(),
	} {
		b.Run(name, func(b *testing.B) {
			start := time.Now()
			g.Handler.ServeHTTP(httptest.NewRecorder(), message{Path: "/csms/" + id + "/tags"}.request(b, g))
			first := time.Since(start)
			defer func() { b.ReportMetric(float64(first.Microseconds()), "µs-first") }()
			for b.Loop() {
				w := httptest.NewRecorder()
				g.Handler.ServeHTTP(w, message{Path: "/csms/" + id + "/tags"}.request(b, g))
				if w.Code != http.StatusNotFound && w.Code != http.StatusTooManyRequests {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
