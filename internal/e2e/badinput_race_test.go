package e2e

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestOneOfManyWins: of many who create one name at once, by restore or by
// write, one succeeds and the others hear that it is taken.
func TestOneOfManyWins(t *testing.T) {
	t.Parallel()
	for store, open := range map[string]func(*testing.T) backends.Backend{
		"memory":   func(*testing.T) backends.Backend { return memory.New(memory.Options{}) },
		"postgres": func(t *testing.T) backends.Backend { return products["postgres"](t, "extra") },
		"bolt": func(t *testing.T) backends.Backend {
			b, err := bolt.Open(t.Context(), backends.Env{Store: "extra", Keys: gatewaytest.NewKeyring(t), Now: time.Now}, &bolt.Config{Path: filepath.Join(t.TempDir(), "s.db")})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			return b
		},
	} {
		for name, c := range map[string]struct {
			v        vendor
			x        *exchange
			lost     int
			made     secret.Name
			versions int
		}{
			"azure restore":  {azureWire{}, azInto("extra", nil, 0, "", "", ""), 409, "taken", 2},
			"huawei restore": {huaweiWire{}, hwInto("extra", nil, 0, "", "", ""), 400, "taken", 2},
			"huawei create":  {huaweiWire{}, hwStore("extra", nil, 0, "", "", ""), 400, "new", 1},
		} {
			t.Run(store+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newBadWorld(t, open(t))
				body := c.x.body
				if c.x.made != nil {
					body = c.x.made(t, w)
				}
				statuses := w.atOnce(t, 12, c.v, c.x, body)
				if statuses[200] != 1 || statuses[c.lost] != 11 {
					t.Errorf("answers: %v", statuses)
				}
				if s, err := w.stores["extra"].Describe(t.Context(), c.made); err != nil || len(s.Versions) != c.versions {
					t.Errorf("not %d versions (%v)", c.versions, err)
				}
				w.checkSilent(t, "the log", w.log.String())
			})
		}
	}
}

// TestAllOfManyStand: versions written to one name at once are all there.
func TestAllOfManyStand(t *testing.T) {
	t.Parallel()
	w := newBadWorld(t, nil)
	x := &exchange{method: httpPut, path: "/secrets/taken", body: `{"value":"` + hush + `"}`}
	if statuses := w.atOnce(t, 12, azureWire{}, x, x.body); statuses[200] != 12 {
		t.Errorf("answers: %v", statuses)
	}
	s, err := w.stores["main"].Describe(t.Context(), "taken")
	if err != nil || len(s.Versions) != 14 || s.Current != s.Newest().Ordinal {
		t.Errorf("not 14 versions, the newest current (%v)", err)
	}
}

// atOnce sends a request n times and counts the answers by status.
func (w *badWorld) atOnce(t *testing.T, n int, v vendor, x *exchange, body string) map[int]int {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	statuses := map[int]int{}
	client := w.client(t, "HTTP/2.0")
	for range n {
		r := w.request(t, v, x, body)
		all.Go(func() {
			resp, err := client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			statuses[resp.StatusCode]++
		})
	}
	all.Wait()
	return statuses
}
