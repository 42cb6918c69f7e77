package attack

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkHonest is what an honest client still gets, as a share of what it
// gets alone in the same run, while a stranger at another address offers 2,000
// requests a second over 200 connections. The gateway and the client have one
// processor, and the stranger another. cpu is what he costs of the gateway's
// processor, MB of its memory, and KB/min of the audit.
//
// The aims are a share of more than two thirds, and less than a third, 100 and
// 1,000 of the others. -benchtime=1x -args -benchfor=1m attacks for a minute. On
// a machine that others use as well the share says little: cpu is what holds.
func BenchmarkHonest(b *testing.B) {
	for _, how := range []string{"requests", "connections"} {
		b.Run(how, func(b *testing.B) {
			x := start(b, extra{})
			x.pin(b, 0)
			client := x.from(b, honest)
			if code, body := x.send(b, client, call{method: "POST", path: "/secrets", body: secretBody("n", "v")}); code != http.StatusOK {
				b.Fatal(code, body)
			}
			x.reads(b, client, time.Second)
			var shares []float64
			for b.Loop() {
				memory := x.memory(b)
				stop := x.flood(b, how, 1)
				x.reads(b, client, time.Second) // everybody has a burst
				among := x.reads(b, client, *benchFor)
				b.ReportMetric(x.memory(b)-memory, "MB")
				stop()
				shares = append(shares, among/x.reads(b, client, *benchFor))
			}
			// What he costs by himself, whoever else shares the machine.
			cpu, size, began := x.metric(b, "process_cpu_seconds_total"), x.auditSize(b), time.Now()
			stop := x.flood(b, how, 1)
			<-time.After(*benchFor)
			refused, took := stop(), time.Since(began)
			b.ReportMetric(float64(refused)/took.Seconds(), "refused/s")
			b.ReportMetric((x.metric(b, "process_cpu_seconds_total")-cpu)/took.Seconds(), "cpu")
			b.ReportMetric((x.auditSize(b)-size)/1e3/took.Minutes(), "KB/min")
			slices.Sort(shares)
			b.ReportMetric(shares[len(shares)/2], "share")
		})
	}
}

// reads returns how many reads a second sixteen at once get.
func (x *target) reads(b *testing.B, client *http.Client, during time.Duration) float64 {
	b.Helper()
	var done atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range 16 {
		all.Go(func() {
			for time.Since(began) < during {
				if code, body := do(b, client, x.azure(b, "GET", "/secrets/n", appToken, http.NoBody)); code != http.StatusOK {
					b.Error(code, body)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	return float64(done.Load()) / time.Since(began).Seconds()
}

func (x *target) auditSize(t testing.TB) float64 {
	t.Helper()
	f, err := os.Stat(filepath.Join(x.dir, "audit.jsonl"))
	must(t, err)
	return float64(f.Size())
}
