package azure_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/dialects/wiretest"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// fixed opens a gateway whose answers are the same in every run: store a may
// be used freely, of store b nothing but list is allowed, store c is
// read-only, store d keeps deleted secrets for a week. The hosts below
// folders.example are folders of a.
func fixed(t *testing.T, log *slog.Logger) *gatewaytest.Gateway {
	t.Helper()
	var tick atomic.Int64
	now := func() time.Time { return time.Unix(1_700_000_000+tick.Load(), 0).UTC() }
	var n atomic.Uint64
	mem := func() *memory.Store {
		return memory.New(memory.Options{
			Now: func() time.Time { tick.Add(1); return now() },
			NewUID: func() secret.UID { // in no order, as random ones are
				var u secret.UID
				binary.BigEndian.PutUint64(u[:], n.Add(1)*0x9e3779b97f4a7c15)
				return u
			},
		})
	}
	return gatewaytest.New(t, gatewaytest.Options{
		Now: now, Log: log,
		Azure: []azure.Route{{Host: "*.folders.example", Store: "a", Prefix: "teams/{1}/"}},
		Stores: []gateway.Store{
			{Name: "a", Kind: "memory", Backend: mem()},
			{Name: "b", Kind: "memory", Backend: mem()},
			{Name: "c", Kind: "memory", Backend: mem(), ReadOnly: true},
			{Name: "d", Kind: "memory", Backend: mem(), RetentionDays: 7, PurgeProtection: true},
		},
		Policy: []access.Rule{
			{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"a", "c", "d"}, Names: []string{"*"}},
			{Callers: []string{"*"}, Allow: []string{"list"}, Stores: []string{"b"}, Names: []string{"*"}},
		},
	})
}

func TestGolden(t *testing.T) {
	t.Parallel()
	wiretest.Golden(t, "testdata/golden/*.txtar", func(t *testing.T) wiretest.Target {
		log := new(wiretest.Log)
		g := fixed(t, log.Logger())
		return wiretest.Target{
			Log:     log,
			Handler: g.Handler,
			Sign:    func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+g.Token) },
			Audit:   func() []audit.Entry { return g.Audit.Entries(t) },
		}
	})
}

// TestRefusals: the log says why, whatever went wrong.
func TestRefusals(t *testing.T) {
	t.Parallel()
	log, down := new(wiretest.Log), &backendtest.Faulty{Backend: memory.New(memory.Options{})}
	g := gatewaytest.New(t, gatewaytest.Options{Log: log.Logger(), Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: down}}})
	wiretest.Refusals(t, wiretest.Target{
		Handler: g.Handler, Log: log, Audit: func() []audit.Entry { return g.Audit.Entries(t) },
		Sign: func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+g.Token) },
	}, func(err error) { down.Before = func(context.Context, string) error { return err } }, "GET https://a.vault.localhost/secrets/x?api-version=7.4")
}
