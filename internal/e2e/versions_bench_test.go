package e2e

import (
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// versionPages are the pages that clients of the two dialects read.
var versionPages = map[string]secret.Part{"azure": {ByUID: true, Limit: 25}, "huawei": {Limit: 50}}

// BenchmarkVersions lists 4,000 versions page by page through the Service, beside
// 400. The metric ratio is time over time, and read is bytes over bytes that are
// allocated for it: both are 10 where a listing is linear.
func BenchmarkVersions(b *testing.B) {
	for _, product := range []string{"memory", "bolt"} {
		store := products[product](b, product)
		for name, n := range map[secret.Name]int{"few": 400, "many": 4000} {
			if _, err := store.Import(b.Context(), backendtest.ManyVersions(name, n), ""); err != nil {
				b.Fatal(err)
			}
		}
		g := gatewayOver(b, store)
		for dialect, p := range versionPages {
			list := func(name secret.Name, n int) (bytes uint64) {
				before := allocatedBytes()
				if seen := listVersions(b, g.Service, name, p); seen != n {
					b.Fatalf("%d of %d versions are listed", seen, n)
				}
				return allocatedBytes() - before
			}
			b.Run(product+"/"+dialect, func(b *testing.B) {
				var read [2]uint64
				compare(b, func() { read[0] = list("many", 4000) }, func() { read[1] = list("few", 400) }, "ratio")
				b.ReportMetric(float64(read[0])/float64(read[1]), "read-ratio")
				b.ReportMetric(float64(read[0]), "read-bytes")
			})
		}
	}
}

func gatewayOver(b *testing.B, store backends.Backend) *gatewaytest.Gateway {
	b.Helper()
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	return gatewaytest.New(b, gatewaytest.Options{AuditLog: log, Stores: []gateway.Store{{Name: "main", Kind: "main", Backend: store}}})
}

func allocatedBytes() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func listVersions(b *testing.B, s *gateway.Service, name secret.Name, p secret.Part) (n int) {
	b.Helper()
	for {
		page, err := s.Versions(context.Background(), tester, gateway.Ref{Store: "main", Name: name}, p)
		if err != nil {
			b.Fatal(err)
		}
		n += len(page.Secret.Versions)
		if !page.More {
			return n
		}
		last := slices.MaxFunc(page.Secret.Versions, p.Compare)
		p.After = secret.Selector{Ordinal: last.Ordinal, UID: last.UID}
	}
}
