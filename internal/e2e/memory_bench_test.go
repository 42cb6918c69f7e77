package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// BenchmarkMemory is the heap of a gateway that exports, backs up and restores
// a secret of 500 versions of 25 KB, as multiples of the secret's size; of
// CSMS, which holds no more, 20 versions. The gateway is a process of its own:
// products, vendors' clients and test are in another one, and what is there
// before (a store in memory) is taken off.
//
//   - peak-live: the most that the collector found in use. It runs all the time,
//     which costs time and shows what is really held.
//   - peak: the most that the heap held, garbage included, with the collector
//     as it is by default. Of 500 versions an export is to stay below 3, a backup
//     or a restore over the wire below 10. CSMS holds 20, beside which what a
//     client takes for itself weighs more: 9.
//   - allocated: everything, however short it lived.
func BenchmarkMemory(b *testing.B) {
	if job := os.Getenv(measuredEnv); job != "" {
		measuredGateway(b, job)
		return
	}
	w := newMeasured(b)
	for _, store := range []string{"hashivault", "azurekv", "huaweicsms"} {
		w.exports(b, store)
	}
	for _, dialect := range []string{"azure", "huawei"} {
		c := dialects[dialect](b, w.Gateway, "hashivault")
		var blob []byte
		b.Run("backup/"+dialect, func(b *testing.B) {
			w.eachMeasure(b, w.sizes["hashivault"], func() {
				var err error
				if blob, err = c.backup(b.Context(), string(measuredName)); err != nil {
					b.Fatal(err)
				}
			})
		})
		into := dialects[dialect](b, w.Gateway, "into")
		kv := w.vault.Client(b, vaulttest.RootToken).KVv2(w.job.Into)
		b.Run("restore/"+dialect, func(b *testing.B) {
			w.eachMeasure(b, w.sizes["hashivault"], func() {
				if _, err := into.restore(b.Context(), blob); err != nil {
					b.Fatal(err)
				}
				if err := kv.DeleteMetadata(b.Context(), string(measuredName)); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
	for _, store := range []string{"bolt", "memory"} { // last: the collector lets garbage grow with what is there
		w.ask(b, "/measured/fill?store="+store, nil)
		w.exports(b, store)
	}
}

func (w *measured) exports(b *testing.B, store string) {
	b.Run("export/"+store, func(b *testing.B) {
		w.eachMeasure(b, w.sizes[store], func() { w.ask(b, "/measured/export?store="+store, nil) })
	})
}

const (
	measuredEnv  = "E2E_MEASURED"
	measuredSize = 25_000
	measuredName = secret.Name("moved")
)

// measuredJob tells the child where the products are.
type measuredJob struct {
	Azure, Huawei gatewaytest.Connection
	Vault         string // the server's address
	Mount, Into   string
}

// measured is the gateway in a child, and what surrounds it.
type measured struct {
	*gatewaytest.Gateway
	job   measuredJob
	vault *vaulttest.Server
	sizes map[string]float64 // of the secret in each store
}

// newMeasured fills the products that are processes of their own, and starts
// the child, which fills those that are not once it is told.
func newMeasured(b *testing.B) *measured {
	b.Helper()
	az, hw, server := newCloud(b), newCloud(b), vaulttest.Shared(b)
	w := &measured{vault: server, job: measuredJob{
		Azure: az.Connection(), Huawei: hw.Connection(), Vault: server.Address, Mount: server.NewMount(b), Into: server.NewMount(b),
	}, sizes: map[string]float64{}}
	for store, m := range w.job.open(b) {
		if store == "into" {
			continue
		}
		s := measuredSecret(store)
		w.sizes[store] = float64(s.Size())
		if store == "memory" || store == "bolt" { // not these, but the child's
			continue
		}
		if _, err := m.Import(b.Context(), s, ""); err != nil {
			b.Fatal(err)
		}
	}
	w.start(b)
	return w
}

func measuredSecret(store string) *secret.Secret {
	n := 500
	if store == "huaweicsms" {
		n = 20
	}
	s := moved(n, false)
	line := "a line of PEM or of JSON with \"quotes\" in it, as secrets are\n"
	for i := range s.Versions {
		s.Versions[i].Value = secret.TextValue(fmt.Sprintf("%04d", i) + strings.Repeat(line, measuredSize/len(line)+1)[:measuredSize-4])
	}
	return s
}

func (w *measured) start(b *testing.B) {
	b.Helper()
	job, err := json.Marshal(w.job)
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkMemory$", "-test.benchtime=1x")
	cmd.Env = append(os.Environ(), measuredEnv+"="+string(job))
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe() // its end is the child's
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		b.Fatal("the measured gateway does not start")
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var card gatewaytest.Connection
		if said, ok := strings.CutPrefix(lines.Text(), measuredEnv+" "); ok && json.Unmarshal([]byte(said), &card) == nil {
			w.Gateway = card.Gateway(b)
			return
		}
	}
	b.Fatal("the measured gateway ends at once")
}

// eachMeasure reports the medians of what one run of f costs.
func (w *measured) eachMeasure(b *testing.B, size float64, f func()) {
	b.Helper()
	var all, eager []heapUse
	for b.Loop() {
		for _, percent := range []string{"100", "5"} {
			w.ask(b, "/measured/start?gc="+percent, nil)
			f()
			var use heapUse
			w.ask(b, "/measured/stop", &use)
			if percent == "100" {
				all = append(all, use)
			} else {
				eager = append(eager, use)
			}
		}
	}
	report := func(of []heapUse, unit string, figure func(heapUse) uint64) {
		slices.SortFunc(of, func(x, y heapUse) int { return int(int64(figure(x)) - int64(figure(y))) })
		b.ReportMetric(float64(figure(of[len(of)/2]))/size, unit)
	}
	report(all, "peak", func(u heapUse) uint64 { return u.Peak })
	report(eager, "peak-live", func(u heapUse) uint64 { return u.Live })
	report(all, "allocated", func(u heapUse) uint64 { return u.Allocated })
}

func (w *measured) ask(b *testing.B, path string, answer any) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "https://localhost"+path, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	resp, err := w.Client.Do(r)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		b.Fatalf("%s: status %d", path, resp.StatusCode)
	}
	if answer == nil {
		return
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		b.Fatal(err)
	}
}
