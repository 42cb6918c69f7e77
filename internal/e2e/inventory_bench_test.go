package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// inventoryReaders is how many secrets the commands read at once.
const inventoryReaders = 32

// What the benchmarks of whole stores read: secrets of three versions each.
const lateSecrets, lateSerial = 5000, 500

// BenchmarkInventory takes an inventory of secrets with three versions each from
// a Vault that answers 5 ms late. serial/ours is to be at least 10: a client that
// makes one request after another, timed over a tenth of them. ours/parallel is to
// be at most 1.2: the same requests by as many bare clients as the gateway reads
// at once.
func BenchmarkInventory(b *testing.B) {
	w, kept := newLateWorld(b), make([]bareSecret, lateSecrets)
	w.compare(b, func() time.Duration {
		return timed(func() {
			if n := takeInventory(b, w.Service, "main"); n != lateSecrets {
				b.Fatalf("%d entries", n)
			}
		})
	}, func(i int, s bareSecret) { kept[i] = s })
}

// BenchmarkMove moves them into a bolt store, by a run of a plan that was made
// before. The bare clients write into bbolt, all versions of a secret at once.
func BenchmarkMove(b *testing.B) {
	w := newLateWorld(b)
	bare, err := bbolt.Open(filepath.Join(b.TempDir(), "bare.db"), 0o600, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = bare.Close() })
	key, runs := inventory.NewKey(), 0
	w.compare(b, func() time.Duration {
		runs++
		plan := w.plan(b, key, fmt.Sprint(runs))
		return timed(func() { w.run(b, "main", key, plan, filepath.Join(b.TempDir(), "journal"), func() {}) })
	}, func(i int, s bareSecret) {
		if err := bare.Batch(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("secrets"))
			for n, v := range s.versions {
				err = errors.Join(err, bucket.Put(fmt.Append(nil, i, n), []byte(v.value["value"])))
			}
			return err
		}); err != nil {
			b.Error(err)
		}
	})
}

// lateWorld is a gateway over a Vault that answers late, and a bolt store.
type lateWorld struct {
	*gatewaytest.Gateway
	bare *bareReader
}

func newLateWorld(b *testing.B) *lateWorld {
	b.Helper()
	server := vaulttest.Shared(b)
	mount := server.NewMount(b)
	client := server.Client(b, vaulttest.RootToken)
	eachOf(inventoryReaders, lateSecrets, func(i int) {
		for v := range 3 {
			if _, err := client.KVv2(mount).Put(b.Context(), fmt.Sprintf("s-%05d", i), map[string]any{"value": fmt.Sprint(i, v)}); err != nil {
				b.Error(err)
			}
		}
	})
	late := lateProxy(b, server.Address, 5*time.Millisecond)
	c := hashivault.Config{}
	c.SetDefaults()
	c.Address, c.Mount, c.Token = late, mount, secret.TextValue(vaulttest.RootToken)
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	// As many at once as the commands have: half of them for each store.
	g := gatewaytest.New(b, gatewaytest.Options{AuditLog: log, MaxBlobs: 4 * inventoryReaders, Stores: []gateway.Store{
		{Name: "main", Backend: open(b, hashivault.Driver, "main", c)},
		{Name: "bolt", Backend: open(b, bolt.Driver, "bolt", bolt.Config{Path: filepath.Join(b.TempDir(), "b.db")})},
	}})
	bare := &bareReader{b: b, url: late + "/v1/" + mount, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inventoryReaders * 4}}}
	return &lateWorld{g, bare}
}

// eachOf calls do with each number, by so many workers.
func eachOf(workers, n int, do func(int)) {
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n; i += workers {
				do(i)
			}
		})
	}
	all.Wait()
}

// compare puts what the gateway takes for all of them beside bare clients, which
// keep each secret.
func (w *lateWorld) compare(b *testing.B, ours func() time.Duration, keep func(i int, s bareSecret)) {
	b.Helper()
	var serial, mine, parallel time.Duration
	for b.Loop() {
		serial += timed(func() {
			for i, name := range w.bare.names()[:lateSerial] {
				keep(i, w.bare.secret(name, 1))
			}
		}) * lateSecrets / lateSerial
		mine += ours()
		parallel += timed(func() {
			names := w.bare.names()
			if len(names) != lateSecrets {
				b.Fatalf("%d names", len(names))
			}
			eachOf(inventoryReaders, lateSecrets, func(i int) { keep(i, w.bare.secret(names[i], 3)) })
		})
	}
	b.ReportMetric(float64(serial)/float64(mine), "serial/ours")
	b.ReportMetric(float64(mine)/float64(parallel), "ours/parallel")
}

func (w *lateWorld) side(store string) migrate.Side {
	return migrate.Side{Store: store, Service: w.Service, Call: tester, Pace: migrate.NewPace(0, inventoryReaders)}
}

func (w *lateWorld) planner(from string, k inventory.Key, prefix string) *migrate.Planner {
	return &migrate.Planner{
		From: w.side(from), To: w.side("bolt"), Header: migrate.Header{Run: "run", From: from, To: "bolt", Rules: lateRules}, Key: k,
		Mapping: migrate.Mapping{AddPrefix: prefix + "/"}, Takes: func(secret.Name) bool { return true }, Readers: inventoryReaders,
		Ends: func(error) bool { return true }, Now: time.Now,
	}
}

func (w *lateWorld) plan(b *testing.B, k inventory.Key, prefix string) []byte {
	b.Helper()
	var out bytes.Buffer
	end, err := w.planner("main", k, prefix).Make(b.Context(), &out, func(*migrate.Entry) error { return nil })
	if err != nil || end.Act != lateSecrets {
		b.Fatal(end, err)
	}
	return out.Bytes()
}

var lateRules = migrate.Rules{OnConflict: gateway.ConflictFail, OnLoss: gateway.LossAccept}

func (w *lateWorld) run(b *testing.B, from string, k inventory.Key, plan []byte, path string, tick func()) {
	b.Helper()
	reader := func() *migrate.PlanReader {
		r, err := migrate.NewPlanReader(bytes.NewReader(plan), func(*migrate.Header) (inventory.Key, error) { return k, nil })
		if err != nil {
			b.Fatal(err)
		}
		return r
	}
	checked, err := migrate.CheckPlan(reader())
	if err != nil {
		b.Fatal(err)
	}
	j, err := migrate.OpenJournal(path, k, "plan", time.Now)
	if err != nil {
		b.Fatal(err)
	}
	run := migrate.Run{
		From: w.side(from), To: w.side("bolt"), Rules: lateRules, Key: k, Journal: j, Workers: inventoryReaders, Finish: time.Minute,
		Tell: func(r migrate.Result) error { tick(); return r.Err },
	}
	err = run.Do(b.Context(), func(do func(*migrate.Entry) error) error { return checked.Entries(reader(), do) })
	if err = errors.Join(err, j.Close()); err != nil {
		b.Fatal(err)
	}
}

func timed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func inventorySource(s *gateway.Service, store string) *inventory.Source {
	k := inventory.NewKey()
	side := migrate.Side{Store: store, Service: s, Call: tester, Pace: migrate.NewPace(0, inventoryReaders)}
	return &inventory.Source{
		List: func(ctx context.Context, q secret.Query) (secret.Page, error) {
			q.WithTrash = true
			return side.List(ctx, q)
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

// bareReader is what somebody would write who reads a mount of KV v2 as fast as it
// goes: a list of names, and of each secret its metadata and then its versions, of
// which it keeps values, times and tags. It makes no digests.
type bareReader struct {
	b      *testing.B
	url    string
	client *http.Client
}

type bareSecret struct {
	tags     map[string]string
	versions []bareVersion
}

type bareVersion struct {
	created time.Time
	value   map[string]string
}

func (r *bareReader) names() []string {
	var got struct{ Data struct{ Keys []string } }
	r.get("/metadata?list=true", &got)
	return got.Data.Keys
}

// secret reads all versions at once, or one after the other.
func (r *bareReader) secret(name string, atOnce int) bareSecret {
	var meta struct {
		Data struct {
			Custom   map[string]string `json:"custom_metadata"`
			Versions map[int]struct {
				Created time.Time `json:"created_time"`
			}
		}
	}
	r.get("/metadata/"+name, &meta)
	out := bareSecret{meta.Data.Custom, make([]bareVersion, len(meta.Data.Versions))}
	eachOf(atOnce, len(out.versions), func(i int) {
		var got struct {
			Data struct{ Data map[string]string }
		}
		r.get(fmt.Sprintf("/data/%s?version=%d", name, i+1), &got)
		out.versions[i] = bareVersion{meta.Data.Versions[i+1].Created, got.Data.Data}
	})
	return out
}

func (r *bareReader) get(path string, into any) {
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
	body, err := io.ReadAll(res.Body)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil || res.StatusCode != http.StatusOK {
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
