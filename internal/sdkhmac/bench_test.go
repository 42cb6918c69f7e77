package sdkhmac_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// BenchmarkVerify is the check of one signature, from its header on, beside
// the bare HMAC-SHA256 of the same bytes: what was signed, and the body. The
// metric bare/ours tells how much of a check is the MAC itself.
func BenchmarkVerify(b *testing.B) {
	for _, c := range []struct{ vector, body string }{
		{"get-list-secrets-query-sorting", ""},
		{"post-create-secret-json-body", ""},
		{"post-create-secret-json-body", strings.Repeat("x", 32<<10)},
		{"v11-derived", ""},
	} {
		v := vectorNamed(b, c.vector)
		name := v.Name
		if c.body != "" {
			v.Body, name = c.body, name+"-32KiB"
		}
		b.Run(name, func(b *testing.B) { benchmarkVerify(b, v) })
	}
}

func benchmarkVerify(b *testing.B, v vector) {
	r, body, sk := v.request(b, true), []byte(v.Body), secret.TextValue(v.SecretKey)
	header, now := r.Header.Get("Authorization"), date(b, r)
	check := func() error {
		a, err := sdkhmac.Parse(header)
		if err != nil {
			return err
		}
		return sdkhmac.Verify(r, body, a, sk, now)
	}
	if v.Body == vectorNamed(b, v.Name).Body {
		if err := check(); err != nil {
			b.Fatal(err)
		}
	}
	bytes := append([]byte(v.Canonical), body...)
	const batch = 64 // so that the clock itself does not count
	var ours, bare time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		for range batch {
			_ = check()
		}
		middle := time.Now()
		for range batch {
			mac := hmac.New(sha256.New, sk.Reveal())
			_, _ = mac.Write(bytes)
			_ = hmac.Equal(mac.Sum(nil), bytes[:sha256.Size])
		}
		ours += middle.Sub(start)
		bare += time.Since(middle)
	}
	n := float64(b.N * batch)
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "bare/ours")
	b.ReportMetric(n/ours.Seconds(), "checks/s")
	b.ReportMetric(float64(ours.Nanoseconds())/n, "ns/check")
	b.ReportMetric(float64(bare.Nanoseconds())/n, "ns/bare")
	b.ReportMetric(testing.AllocsPerRun(100, func() { _ = check() }), "allocs/check")
}
