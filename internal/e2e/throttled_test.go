package e2e

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
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

// TestThrottledRestore: an import that the vault stops midway says when to come
// back, and the same request completes it.
func TestThrottledRestore(t *testing.T) {
	t.Parallel()
	client, busy, g := throttledWorld(t)
	home := (&keyVaultSuite{gateway: g}).client(t, "home")
	for _, v := range []string{"one", "two", "three"} {
		putSecret(t, home, "s", v)
	}
	blob := got(home.BackupSecret(t.Context(), "s", nil))(t).Value
	busy.after, busy.method = "7", http.MethodPut
	busy.pass.Store(1)
	busy.refuse.Store(9)
	_, err := client.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil)
	wantCode(t, "midway", err, 503, "ServiceUnavailable")
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok && e.RawResponse.Header.Get("Retry-After") != "7" {
		t.Errorf("midway the client may come back after %q", e.RawResponse.Header.Get("Retry-After"))
	}
	busy.refuse.Store(0)
	if _, err := client.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil); err != nil {
		t.Fatal(err)
	}
	s := got(g.Service.Describe(t.Context(), owner, gateway.Ref{Store: "kv", Name: "s"}))(t)
	if len(s.Versions) != 3 || s.Find(secret.Current).Ordinal != 3 {
		t.Errorf("%d versions stand", len(s.Versions))
	}
}
