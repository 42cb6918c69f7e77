package e2e

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/issuertest"
)

// BenchmarkGetWithIssuer is a GET with a static token beside the same one with a
// token of an issuer, RS256: another one each time, whose ratio is to be at least
// 0.5, or the same one, at least 0.9.
func BenchmarkGetWithIssuer(b *testing.B) {
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	x := newIdentities(b, func(o *gatewaytest.Options) { o.AuditLog = log })
	seed(b, x.Gateway, "main", "bench", "a value of some length, as passwords are")
	ours := httptest.NewServer(x.Handler)
	defer ours.Close()
	url := ours.URL + "/secrets/bench/?api-version=2026-04-01"
	static := request(b, url, x.Token)
	claims := x.of.Claims(time.Now(), workload, ownAudience)
	fresh := make([]*http.Request, 0, 20_000)
	b.Run("fresh", func(b *testing.B) {
		i := 0
		next := func() *http.Request {
			if i == len(fresh) {
				b.StopTimer()
				token := x.of.Key.Sign(b, claims.With(issuertest.Claims{"jti": strconv.Itoa(i)}))
				fresh = append(fresh, request(b, url, token))
				b.StartTimer()
			}
			i++
			return fresh[i-1]
		}
		compareEach(b, func() (*http.Request, *http.Request) { return static, next() }, "static/fresh")
	})
	repeated := request(b, url, x.of.Key.Sign(b, claims))
	b.Run("repeated", func(b *testing.B) {
		compareEach(b, func() (*http.Request, *http.Request) { return static, repeated }, "static/repeated")
	})
}

// compareEach is compare for requests that are made before the time counts.
func compareEach(b *testing.B, pair func() (first, second *http.Request), unit string) {
	b.Helper()
	var t1, t2 []time.Duration
	for b.Loop() {
		first, second := pair()
		start := time.Now()
		mustFetch(b, first)
		middle := time.Now()
		mustFetch(b, second)
		t1, t2 = append(t1, middle.Sub(start)), append(t2, time.Since(middle))
	}
	report(b, t1, t2, unit)
}

func mustFetch(b *testing.B, r *http.Request) {
	b.Helper()
	if status, _ := fetch(b, r); status != http.StatusOK {
		b.Fatalf("status %d", status)
	}
}
