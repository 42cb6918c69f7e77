package huawei_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	ring "github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/dialects/wiretest"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// fixed opens a gateway whose answers are the same in every run: store a may
// be used freely, of store b nothing but list is allowed, store c is
// read-only.
func fixed(t *testing.T, log *slog.Logger) (*gatewaytest.Gateway, func() time.Time) {
	t.Helper()
	var tick atomic.Int64
	now := func() time.Time { return time.UnixMilli(1_700_000_000_000 + tick.Load()).UTC() }
	store := func() *memory.Store {
		return memory.New(memory.Options{Now: func() time.Time { tick.Add(1); return now() }})
	}
	return gatewaytest.New(t, gatewaytest.Options{
		Now: now, Log: log, Keyring: sameIDs(t),
		Stores: []gateway.Store{
			{Name: "a", Kind: "memory", Backend: store()},
			{Name: "b", Kind: "memory", Backend: store()},
			{Name: "c", Kind: "memory", Backend: store(), ReadOnly: true},
		},
		Policy: []access.Rule{
			{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"a", "c"}, Names: []string{"*"}},
			{Callers: []string{"*"}, Allow: []string{"list"}, Stores: []string{"b"}, Names: []string{"*"}},
		},
	}), now
}

// sameIDs is a new keyring, from which ids follow that are the same in every run.
func sameIDs(t *testing.T) *ring.Keyring {
	t.Helper()
	b, err := gatewaytest.NewKeyring(t).Reveal()
	must(t, err)
	var members map[string]json.RawMessage
	must(t, json.Unmarshal(b, &members))
	members["ids"] = json.RawMessage(`"` + strings.Repeat("0", 64) + `"`)
	b, err = json.Marshal(members)
	must(t, err)
	keys, err := ring.ParseKeyring(b)
	must(t, err)
	return keys
}

// TestGolden signs what goes to this dialect and gives the token to the other,
// which prepares what this one cannot make.
func TestGolden(t *testing.T) {
	t.Parallel()
	wiretest.Golden(t, "testdata/golden/*.txtar", func(t *testing.T) wiretest.Target {
		log := new(wiretest.Log)
		g, now := fixed(t, log.Logger())
		return wiretest.Target{
			Log:     log,
			Handler: g.Handler,
			Sign: func(r *http.Request) {
				switch {
				case r.Header.Get("X-Auth-Token") == "good":
					r.Header.Set("X-Auth-Token", g.Token)
				case r.Header.Get("X-Auth-Token") != "":
				case strings.HasPrefix(r.URL.Path, "/v1/"), strings.HasPrefix(r.URL.Path, "/v1.0/"):
					sign(t, r, g, now())
				default:
					r.Header.Set("Authorization", "Bearer "+g.Token)
				}
			},
			Audit: func() []audit.Entry { return g.Audit.Entries(t) },
		}
	})
}

func sign(t *testing.T, r *http.Request, g *gatewaytest.Gateway, now time.Time) {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	must(t, err)
	r.Body = io.NopCloser(bytes.NewReader(body))
	must(t, sdkhmac.Sign(r, body, g.AccessKey, secret.TextValue(g.SecretKey), now))
}

// TestRefusals: the log says why, whatever went wrong.
func TestRefusals(t *testing.T) {
	t.Parallel()
	log, down := new(wiretest.Log), &backendtest.Faulty{Backend: memory.New(memory.Options{})}
	g := gatewaytest.New(t, gatewaytest.Options{Log: log.Logger(), Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: down}}})
	wiretest.Refusals(t, wiretest.Target{
		Handler: g.Handler, Log: log, Audit: func() []audit.Entry { return g.Audit.Entries(t) },
		Sign: func(r *http.Request) { sign(t, r, g, time.Now()) },
	}, func(err error) { down.Before = func(context.Context, string) error { return err } }, "GET https://csms.vault.localhost/v1/"+gatewaytest.Project("a")+"/secrets/x/versions/latest")
}
