package attack

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkHonest is an honest client's reads while another address sends
// refused requests over a hundred connections, as a share of what it gets
// alone, in the same run.
// More than two thirds is the aim, where the attacker has another processor.
func BenchmarkHonest(b *testing.B) {
	x := start(b, extra{})
	client := x.from(b, honest)
	if code, body := x.send(b, client, call{method: "POST", path: "/secrets", body: secretBody("n", "v")}); code != http.StatusOK {
		b.Fatal(code, body)
	}
	for b.Loop() {
		alone := x.reads(b, client, 300)
		stop := x.flood(b, 100, 2000)
		among := x.reads(b, client, 300)
		refused := stop()
		b.ReportMetric(alone.Seconds()/among.Seconds(), "share")
		b.ReportMetric(float64(refused)/among.Seconds(), "refused/s")
	}
}

func (x *target) reads(b *testing.B, client *http.Client, n int) time.Duration {
	b.Helper()
	began := time.Now()
	for range n {
		if code, body := do(b, client, x.azure(b, "GET", "/secrets/n", appToken, http.NoBody)); code != http.StatusOK {
			b.Fatal(code, body)
		}
	}
	return time.Since(began)
}

// flood offers so many refused requests a second, over so many connections,
// until it is stopped. It returns how many were refused.
func (x *target) flood(b *testing.B, connections, perSecond int) (stop func() int64) {
	b.Helper()
	var refused atomic.Int64
	var all sync.WaitGroup
	done := make(chan struct{})
	every := time.Second * time.Duration(connections) / time.Duration(perSecond)
	for range connections {
		all.Go(func() {
			client := x.from(b, hostile)
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-done:
					return
				case <-tick.C:
					if code, _ := do(b, client, x.azure(b, "GET", "/secrets/n", "nobody's", http.NoBody)); code >= 400 {
						refused.Add(1)
					}
				}
			}
		})
	}
	return func() int64 {
		close(done)
		all.Wait()
		return refused.Load()
	}
}
