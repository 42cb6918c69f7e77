package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// open opens every store of the measured gateway.
func (j *measuredJob) open(b *testing.B) map[string]backends.Backend {
	b.Helper()
	vault := &vaulttest.Server{Address: j.Vault}
	return map[string]backends.Backend{
		"memory": products["memory"](b, "memory"), "bolt": products["bolt"](b, "bolt"),
		"hashivault": openVault(b, vault, j.Mount, "hashivault"), "into": openVault(b, vault, j.Into, "into"),
		"azurekv":    open(b, azurekv.Driver, "azurekv", overCloud(b, j.Azure.Gateway(b))),
		"huaweicsms": open(b, huaweicsms.Driver, "huaweicsms", overCSMS(b, j.Huawei.Gateway(b))),
	}
}

// measuredGateway is the child: a gateway that also tells of its own heap,
// until its input ends.
func measuredGateway(b *testing.B, told string) {
	b.Helper()
	var job measuredJob
	if err := json.Unmarshal([]byte(told), &job); err != nil {
		b.Fatal(err)
	}
	stores := job.open(b)
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	o := gatewaytest.Options{AuditLog: log}
	for name, s := range stores {
		o.Stores = append(o.Stores, gateway.Store{Name: name, Kind: name, Backend: s})
	}
	o.Wrap = func(next http.Handler) http.Handler {
		watch := new(heapWatch)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			switch r.URL.Path {
			case "/measured/start":
				percent, _ := strconv.Atoi(q.Get("gc"))
				watch.start(percent)
			case "/measured/stop":
				_ = json.NewEncoder(w).Encode(watch.stop())
			case "/measured/fill":
				if _, err := stores[q.Get("store")].Import(r.Context(), measuredSecret(q.Get("store")), ""); err != nil {
					w.WriteHeader(http.StatusInternalServerError)
				}
			case "/measured/export":
				if got, err := stores[q.Get("store")].Export(r.Context(), measuredName); err != nil || len(got.Versions) < 20 {
					w.WriteHeader(http.StatusInternalServerError)
				}
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
	card, err := json.Marshal(gatewaytest.New(b, o).Connection())
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, strings.Join([]string{"\n" + measuredEnv, string(card)}, " "))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// heapUse is what a stretch of work added to the heap, in bytes.
type heapUse struct{ Peak, Live, Allocated uint64 }

// heapWatch looks at the heap every half millisecond.
type heapWatch struct {
	before heapUse
	done   chan struct{}
	most   chan heapUse
}

func (h *heapWatch) start(percent int) {
	debug.SetGCPercent(percent)
	runtime.GC()
	runtime.GC() // what the first one swept is counted off now
	h.before, h.done, h.most = readHeap(), make(chan struct{}), make(chan heapUse)
	go func() {
		most := h.before
		again := time.NewTicker(500 * time.Microsecond)
		defer again.Stop()
		for {
			now := readHeap()
			most = heapUse{max(most.Peak, now.Peak), max(most.Live, now.Live), now.Allocated}
			select {
			case <-h.done:
				h.most <- most
				return
			case <-again.C:
			}
		}
	}()
}

func (h *heapWatch) stop() heapUse {
	close(h.done)
	m := <-h.most
	return heapUse{m.Peak - h.before.Peak, m.Live - h.before.Live, m.Allocated - h.before.Allocated}
}

func readHeap() heapUse {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(s)
	return heapUse{s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64()}
}
