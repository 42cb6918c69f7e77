package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// inventoryReaders is how many secrets the commands read at once.
const inventoryReaders = 32

// BenchmarkInventory takes an inventory of secrets with three versions each from
// a Vault that answers 5 ms late. serial/ours is to be at least 10: a client that
// reads one secret after another, timed over a tenth of them. ours/parallel is to
// be at most 1.2: the same requests by as many bare clients as the gateway reads
// at once.
func BenchmarkInventory(b *testing.B) {
	const many, few = 1000, 100
	server := vaulttest.Shared(b)
	mount := server.NewMount(b)
	client := server.Client(b, vaulttest.RootToken)
	for i := range many {
		for v := range 3 {
			if _, err := client.KVv2(mount).Put(b.Context(), fmt.Sprintf("s-%05d", i), map[string]any{"value": fmt.Sprint(i, v)}); err != nil {
				b.Fatal(err)
			}
		}
	}
	late := lateProxy(b, server.Address, 5*time.Millisecond)
	c := hashivault.Config{}
	c.SetDefaults()
	c.Address, c.Mount, c.Token = late, mount, secret.TextValue(vaulttest.RootToken)
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	g := gatewaytest.New(b, gatewaytest.Options{AuditLog: log, Stores: []gateway.Store{{Name: "main", Backend: open(b, hashivault.Driver, "main", c)}}})
	bare := &bareReader{b: b, url: late + "/v1/" + mount, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inventoryReaders * 4}}}
	var serial, ours, parallel time.Duration
	for b.Loop() {
		serial += timed(func() {
			for i := range few {
				bare.secret(i)
			}
		}) * many / few
		ours += timed(func() {
			if n := takeInventory(b, g.Service, "main"); n != many {
				b.Fatalf("%d entries", n)
			}
		})
		parallel += timed(func() {
			var all sync.WaitGroup
			for w := range inventoryReaders {
				all.Go(func() {
					for i := w; i < many; i += inventoryReaders {
						bare.secret(i)
					}
				})
			}
			all.Wait()
		})
	}
	b.ReportMetric(float64(serial)/float64(ours), "serial/ours")
	b.ReportMetric(float64(ours)/float64(parallel), "ours/parallel")
}

// BenchmarkInventoryMemory says what an inventory of ten times as many secrets
// holds more, in bytes for each: names are to be all of it, at most 300.
func BenchmarkInventoryMemory(b *testing.B) {
	const few, many = 2_000, 20_000
	stores := []gateway.Store{{Name: "few", Backend: memory.New(memory.Options{})}, {Name: "many", Backend: memory.New(memory.Options{})}}
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	g := gatewaytest.New(b, gatewaytest.Options{AuditLog: log, Stores: stores})
	for i := range many {
		seed(b, g, "many", fmt.Sprintf("s-%06d", i), "a value of some length, as passwords are")
		if i < few {
			seed(b, g, "few", fmt.Sprintf("s-%06d", i), "a value of some length, as passwords are")
		}
	}
	for b.Loop() {
		of := map[string]uint64{}
		for _, store := range []string{"few", "many"} {
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			peak := before.HeapInuse
			src := inventorySource(g.Service, store)
			n := 0
			if err := src.Take(b.Context(), func(*inventory.Entry) error {
				if n++; n%500 == 0 {
					runtime.GC()
					var now runtime.MemStats
					runtime.ReadMemStats(&now)
					peak = max(peak, now.HeapInuse)
				}
				return nil
			}, func(error) bool { return true }); err != nil {
				b.Fatal(err)
			}
			of[store] = peak - before.HeapInuse
		}
		b.ReportMetric((float64(of["many"])-float64(of["few"]))/(many-few), "bytes/secret")
	}
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func inventorySource(s *gateway.Service, store string) *inventory.Source {
	k := inventory.NewKey()
	return &inventory.Source{
		List: func(ctx context.Context, after secret.Name) (secret.Page, error) {
			return s.List(ctx, tester, store, secret.Query{After: after, Limit: 100})
		},
		Digest: func(ctx context.Context, name secret.Name) (*inventory.Entry, error) {
			return s.Digest(ctx, tester, gateway.Ref{Store: store, Name: name}, k, gateway.DigestOptions{})
		},
		Takes: func(*secret.Secret) bool { return true }, Readers: inventoryReaders,
	}
}

func takeInventory(b *testing.B, s *gateway.Service, store string) int {
	b.Helper()
	w, err := inventory.NewWriter(io.Discard, inventory.Header{Store: store})
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	err = inventorySource(s, store).Take(b.Context(), func(e *inventory.Entry) error {
		n++
		return w.Write(e)
	}, func(error) bool { return true })
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// bareReader makes the requests that a whole secret of KV v2 takes.
type bareReader struct {
	b      *testing.B
	url    string
	client *http.Client
}

func (r *bareReader) secret(i int) {
	name := fmt.Sprintf("s-%05d", i)
	r.get("/metadata/" + name)
	var versions sync.WaitGroup
	for v := range 3 {
		versions.Go(func() { r.get(fmt.Sprintf("/data/%s?version=%d", name, v+1)) })
	}
	versions.Wait()
}

func (r *bareReader) get(path string) {
	req, err := http.NewRequestWithContext(r.b.Context(), http.MethodGet, r.url+path, nil)
	if err != nil {
		r.b.Error(err)
		return
	}
	req.Header.Set("X-Vault-Token", vaulttest.RootToken)
	res, err := r.client.Do(req)
	if err != nil {
		r.b.Error(err)
		return
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusOK {
		r.b.Errorf("%s answers %d, %v", path, res.StatusCode, err)
	}
}

// lateProxy answers as the server does, later.
func lateProxy(b *testing.B, server string, by time.Duration) string {
	b.Helper()
	to, err := url.Parse(server)
	if err != nil {
		b.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(to)
	pass.Transport = &http.Transport{MaxIdleConnsPerHost: inventoryReaders * 4}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(by):
			pass.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	}))
	b.Cleanup(front.Close)
	return front.URL
}
