package e2e

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/faultproxy"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// busyVault refuses requests of the method in Key Vault's way, once it has let
// some pass.
type busyVault struct {
	next         http.Handler
	method       string
	pass, refuse atomic.Int64
	after        string
}

func (b *busyVault) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != b.method || r.Header.Get("Authorization") == "" || b.pass.Add(-1) >= 0 || b.refuse.Add(-1) < 0 {
		b.next.ServeHTTP(w, r)
		return
	}
	if b.after != "" {
		w.Header().Set("Retry-After", b.after)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"error":{"code":"Throttled","message":"Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached"}}`)
}

// throttledWorld is a client of a gateway over a vault that throttles.
func throttledWorld(t *testing.T) (*azsecrets.Client, *busyVault, *gatewaytest.Gateway) {
	t.Helper()
	busy := &busyVault{}
	cloud := gatewaytest.New(t, gatewaytest.Options{
		Stores: []gateway.Store{{Name: "cloud", Kind: "memory", Backend: memory.New(memory.Options{})}},
		Wrap:   func(next http.Handler) http.Handler { busy.next = next; return busy },
	})
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "kv", Kind: "azurekv", Backend: open(t, azurekv.Driver, "kv", overCloud(t, cloud))},
		{Name: "home", Kind: "memory", Backend: memory.New(memory.Options{})},
	}})
	return (&keyVaultSuite{gateway: g}).client(t, "kv"), busy, g
}

// TestThrottledVault: the gateway comes back when the vault says, if that is
// soon, and passes the word on if it is not. A write is made once.
func TestThrottledVault(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, after string
		refuse        int64
		status        int // zero: it is done
	}{
		{http.MethodGet, "1", 1, 0},
		{http.MethodGet, "", 2, 0},
		{http.MethodGet, "3600", 9, 429},
		{http.MethodPut, "1", 1, 0},
		{http.MethodPut, "", 2, 0},
		{http.MethodPut, "3600", 9, 429},
	} {
		t.Run(c.method+" after "+c.after, func(t *testing.T) {
			t.Parallel()
			client, busy, g := throttledWorld(t)
			putSecret(t, client, "s", "one")
			busy.after, busy.method = c.after, c.method
			busy.refuse.Store(c.refuse)
			var err error
			if c.method == http.MethodPut {
				_, err = client.SetSecret(t.Context(), "s", azsecrets.SetSecretParameters{Value: new("two")}, nil)
			} else {
				_, err = client.GetSecret(t.Context(), "s", "", nil)
			}
			busy.refuse.Store(0)
			want := 1
			if c.status == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if c.method == http.MethodPut {
					want = 2
				}
			} else {
				wantCode(t, "throttled", err, c.status, "Throttled")
				if e, ok := errors.AsType[*azcore.ResponseError](err); ok && e.RawResponse.Header.Get("Retry-After") != c.after {
					t.Errorf("the client may come back after %q", e.RawResponse.Header.Get("Retry-After"))
				}
			}
			if s := got(g.Service.Describe(t.Context(), owner, gateway.Ref{Store: "kv", Name: "s"}))(t); len(s.Versions) != want {
				t.Errorf("%d versions stand, want %d", len(s.Versions), want)
			}
		})
	}
}

// TestThrottledRestore: an import that the vault stops midway waits for as long
// as the vault asks. Where the call has not so much time it says when to come
// back, and the same request completes it.
func TestThrottledRestore(t *testing.T) {
	t.Parallel()
	client, busy, g := throttledWorld(t)
	home := (&keyVaultSuite{gateway: g}).client(t, "home")
	for _, v := range []string{"one", "two", "three"} {
		putSecret(t, home, "s", v)
	}
	blob := got(home.BackupSecret(t.Context(), "s", nil))(t).Value
	busy.after, busy.method = "77", http.MethodPut
	busy.pass.Store(1)
	busy.refuse.Store(9)
	_, err := client.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil)
	wantCode(t, "midway", err, 503, "ServiceUnavailable")
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok && e.RawResponse.Header.Get("Retry-After") != "77" {
		t.Errorf("midway the client may come back after %q", e.RawResponse.Header.Get("Retry-After"))
	}
	if n := busy.refuse.Load(); n != 8 {
		t.Errorf("the vault was asked %d times in vain", 9-n)
	}
	busy.after = "1"
	busy.pass.Store(1)
	busy.refuse.Store(2)
	if _, err := client.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil); err != nil {
		t.Fatal(err)
	}
	s := got(g.Service.Describe(t.Context(), owner, gateway.Ref{Store: "kv", Name: "s"}))(t)
	if len(s.Versions) != 3 || s.Find(secret.Current).Ordinal != 3 {
		t.Errorf("%d versions stand", len(s.Versions))
	}
}

// TestThrottledMidway: whichever product is busy in the middle of an import or
// an append, one call brings all of it.
func TestThrottledMidway(t *testing.T) {
	t.Parallel()
	for _, product := range slices.Sorted(maps.Keys(faultProducts)) {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			h := newFaultHall(t, product, 2)
			whole := h.lines[away(0)]
			blob := h.blobs["azure"]
			nth := 2
			if product == "hashivault" { // room and the mark come first
				nth = 4
			}
			midway(t, whole, nth, h.restore(t, whole, blob, gateway.RestoreOptions{OnLoss: gateway.LossAccept}))

			if product == "hashivault1" { // it holds one version
				return
			}
			part := h.lines[away(1)]
			some := h.doc.Clone()
			some.Versions, some.Current, some.Previous = some.Versions[:1], 1, 0
			if _, err := part.Import(t.Context(), some, ""); err != nil {
				t.Fatal(err)
			}
			midway(t, part, nth, h.restore(t, part, blob, gateway.RestoreOptions{OnLoss: gateway.LossAccept, OnConflict: gateway.ConflictAppend}))
		})
	}
}

// restore is one restore, which must succeed.
func (h *faultHall) restore(t *testing.T, l *faultLine, blob []byte, o gateway.RestoreOptions) func() {
	return func() {
		t.Helper()
		out, err := h.Service.Restore(t.Context(), owner, l.store, blob, o)
		if err != nil {
			t.Fatal(err)
		}
		have := got(l.Export(t.Context(), faulted))(t)
		if o.OnConflict == gateway.ConflictAppend && out.Added == 0 || len(have.Versions) != len(out.Secret.Versions) {
			t.Errorf("%d versions are there, of %d; %d were added", len(have.Versions), len(out.Secret.Versions), out.Added)
		}
	}
}

// midway lets the nth write of f be refused for a second.
func midway(t *testing.T, l *faultLine, n int, f func()) {
	t.Helper()
	met := l.proxy.Arm(faultproxy.ThrottledFor, faultproxy.Writes, n)
	f()
	select {
	case <-met.Settled:
	default:
		t.Fatalf("there was no write %d", n)
	}
}

// TestQuotaOfVault: restores by ten callers at once, under a rate quota of ten
// requests a second, end with all of each secret.
func TestQuotaOfVault(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	for engine, mounted := range map[string]func(*vaulttest.Server, testing.TB) string{"1": (*vaulttest.Server).NewMountV1, "2": (*vaulttest.Server).NewMount} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			quotaOfVault(t, server, mounted(server, t))
		})
	}
}

func quotaOfVault(t *testing.T, server *vaulttest.Server, mount string) {
	c := hashivault.Config{}
	c.SetDefaults()
	c.Address, c.Mount, c.Token = server.Address, mount, secret.TextValue(vaulttest.RootToken)
	b := open(t, hashivault.Driver, "vault", c)
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "vault", Kind: "hashivault", Backend: b, Concurrency: 1, OnLoss: gateway.LossAccept},
		{Name: "home", Kind: "memory", Backend: memory.New(memory.Options{})},
	}, MaxBlobs: 20})
	home := gateway.Ref{Store: "home", Name: "s"}
	for _, v := range []string{"one", "two"} {
		got(g.Service.Put(t.Context(), owner, home, secret.Draft{Value: secret.TextValue(v)}))(t)
	}
	blob := got(g.Service.Backup(t.Context(), owner, home))(t)
	native := server.Client(t, vaulttest.RootToken)
	if _, err := native.Logical().Write("sys/quotas/rate-limit/"+mount, map[string]any{"path": mount + "/", "rate": 10, "interval": "1s"}); err != nil {
		t.Fatal(err)
	}
	patient := owner
	patient.Timeout = 5 * time.Minute
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			name := secret.Name(fmt.Sprintf("s%d", i))
			for range 100 { // what was refused before its first write is the caller's to repeat
				_, err := g.Service.Restore(t.Context(), patient, "vault", blob, gateway.RestoreOptions{As: name})
				if err == nil {
					return
				}
				if !errors.Is(err, secret.Throttled) {
					t.Errorf("%s: %v", name, err)
					return
				}
			}
			t.Errorf("%s was never restored", name)
		})
	}
	all.Wait()
	if _, err := native.Logical().Delete("sys/quotas/rate-limit/" + mount); err != nil {
		t.Fatal(err)
	}
	if page := got(b.List(t.Context(), secret.Query{}))(t); len(page.Secrets) != 10 {
		t.Errorf("%d secrets stand, want 10", len(page.Secrets))
	}
}
