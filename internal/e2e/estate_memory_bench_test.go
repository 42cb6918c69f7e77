package e2e

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// BenchmarkEstateMemory says what an inventory, a plan and a run of ten times as many
// secrets hold more, in bytes for each: names are to be all of it, at most 300. The
// target of the run is a file, so the largest takes minutes.
func BenchmarkEstateMemory(b *testing.B) {
	sizes := []int{1_000, 10_000, 100_000}
	stores := []gateway.Store{{Name: "bolt", Backend: open(b, bolt.Driver, "bolt", bolt.Config{Path: filepath.Join(b.TempDir(), "b.db")})}}
	for _, n := range sizes {
		m := memory.New(memory.Options{})
		for i := range n {
			if _, err := m.Put(b.Context(), secret.Name(fmt.Sprintf("team/app/s-%06d", i)), secret.Draft{Value: secret.TextValue("a value of some length, as passwords are")}); err != nil {
				b.Fatal(err)
			}
		}
		stores = append(stores, gateway.Store{Name: fmt.Sprint("m", n), Backend: m})
	}
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	w := &lateWorld{Gateway: gatewaytest.New(b, gatewaytest.Options{AuditLog: log, Stores: stores})}
	k := inventory.NewKey()
	for name, peak := range map[string]func(n int) uint64{
		"inventory": func(n int) uint64 {
			return peakOf(b, n, func(tick func()) error {
				return inventorySource(w.Service, fmt.Sprint("m", n)).Take(b.Context(), func(*inventory.Entry) error { tick(); return nil }, func(error) bool { return true })
			})
		},
		"plan": func(n int) uint64 {
			return peakOf(b, n, func(tick func()) error {
				_, err := w.planner(fmt.Sprint("m", n), k, "x").Make(b.Context(), io.Discard, func(*migrate.Entry) error { tick(); return nil })
				return err
			})
		},
		"run": func(n int) uint64 {
			var plan bytes.Buffer
			if _, err := w.planner(fmt.Sprint("m", n), k, fmt.Sprint("n", n)).Make(b.Context(), &plan, func(*migrate.Entry) error { return nil }); err != nil {
				b.Fatal(err)
			}
			return peakOf(b, n, func(tick func()) error {
				w.run(b, fmt.Sprint("m", n), k, plan.Bytes(), filepath.Join(b.TempDir(), "journal"), tick)
				return nil
			})
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				was := peak(sizes[0])
				for i, n := range sizes[1:] {
					is := peak(n)
					b.ReportMetric((float64(is)-float64(was))/float64(n-sizes[i]), fmt.Sprintf("B/secret-%d", n))
					was = is
				}
			}
		})
	}
}

// peakOf is what work holds more of the heap than there was before, at the worst of
// some moments of which it tells.
func peakOf(b *testing.B, n int, work func(tick func()) error) uint64 {
	b.Helper()
	held := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := held()
	peak, ticks := before, 0
	if err := work(func() {
		if ticks++; ticks%(n/10) == 0 {
			peak = max(peak, held())
		}
	}); err != nil {
		b.Fatal(err)
	}
	return peak - before
}
