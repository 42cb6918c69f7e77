package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// busyProduct stands before a product. It counts requests, and refuses some for now.
type busyProduct struct {
	next                  http.Handler
	after                 string
	requests, pass, shuts atomic.Int64
}

func (b *busyProduct) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if vaulttest.KeepsToken(r) {
		b.next.ServeHTTP(w, r)
		return
	}
	b.requests.Add(1)
	if b.pass.Add(-1) >= 0 || b.shuts.Add(-1) < 0 {
		b.next.ServeHTTP(w, r)
		return
	}
	if b.after != "" {
		w.Header().Set("Retry-After", b.after)
	}
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"errors":["request path exceeded a rate limit quota"]}`)
}

// TestSnapshotThrottled: what the product refuses for now is waited out, as it asks,
// and the snapshot is whole. --rate counts requests, not secrets.
func TestSnapshotThrottled(t *testing.T) {
	t.Parallel()
	vault := vaulttest.Shared(t)
	to, err := url.Parse(vault.Address)
	if err != nil {
		t.Fatal(err)
	}
	busy := &busyProduct{next: httputil.NewSingleHostReverseProxy(to)}
	front := httptest.NewServer(busy)
	t.Cleanup(front.Close)
	w := &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}
	w.file(t, "vault.token", vaulttest.RootToken)
	w.file(t, w.config, commonConfig+fmt.Sprintf("  - { name: a, backend: hashivault, hashivault: { address: %q, mount: %s, token: { file: vault.token } } }\n", front.URL, vault.NewMount(t)))
	w.inside(t, exitDone, "keys", "new", "--output-file", filepath.Join(w.dir, "keyring.json"))
	repo := filepath.Join(w.dir, "repo")
	w.inside(t, exitDone, "snapshot", "init", "--repo", repo)
	s, call := w.service(t, "a")
	for i := range 6 {
		ref := gateway.Ref{Store: "a", Name: secret.Name(fmt.Sprintf("n%d", i/3))}
		if _, err := s.service.Put(t.Context(), call, ref, secret.Draft{Value: secret.TextValue(canary(ref.Name, i))}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	opening := busy.requests.Load()
	s, _ = w.service(t, "a")
	opening = busy.requests.Load() - opening
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	create := []string{"snapshot", "create", "a", "--repo", repo}
	quiet := busy.requests.Load()
	w.inside(t, exitDone, create...)
	quiet = busy.requests.Load() - quiet
	for _, after := range []string{"", "1"} {
		t.Run("after "+after, func(t *testing.T) {
			busy.after = after
			busy.pass.Store(quiet - 6)
			busy.shuts.Store(8) // more than the two reads try by themselves
			w.inside(t, exitDone, create...)
			if left := busy.shuts.Load(); left > 0 {
				t.Fatalf("%d refusals were not met", left)
			}
		})
	}
	t.Run("list", func(t *testing.T) {
		busy.pass.Store(opening)
		busy.shuts.Store(5) // more than one call tries by itself
		w.inside(t, exitDone, create...)
	})
	t.Run("rate", func(t *testing.T) {
		busy.shuts.Store(0)
		before, begun := busy.requests.Load(), time.Now()
		w.inside(t, exitDone, append(create, "--rate", "10/s")...)
		paced := busy.requests.Load() - before - opening
		if least := time.Duration(paced-3) * 100 * time.Millisecond; time.Since(begun) < least {
			t.Errorf("%d requests within %s, want no less than %s", paced, time.Since(begun), least)
		}
	})
	if out := w.must(t, exitDone, "snapshot", "list", "--repo", repo); strings.Contains(out, "not whole") || strings.Count(out, " a ") != 5 {
		t.Error(out)
	}
}
