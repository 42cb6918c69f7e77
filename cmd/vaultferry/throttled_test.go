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
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// narrowProduct refuses each of some requests as often as a call is begun anew, so that
// it serves none but who asks for the same one again. Vault does so under a quota
// (sys/quotas/rate-limit) that is smaller than what a list asks at once.
type narrowProduct struct {
	next    http.Handler
	mu      sync.Mutex
	left    map[string]int // by path and version
	refused int
}

func (n *narrowProduct) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.URL.Path + "?" + r.URL.Query().Get("version")
	n.mu.Lock()
	left, known := n.left[target]
	if !known && (strings.Contains(r.URL.Path, "/metadata/n") || r.URL.Query().Has("version")) {
		left = 3
	}
	n.left[target] = left - 1
	if left > 0 {
		n.refused++
	}
	n.mu.Unlock()
	if left <= 0 {
		n.next.ServeHTTP(w, r)
		return
	}
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"errors":["request path exceeded a rate limit quota"]}`)
}

// TestThrottledCommands: a product that allows fewer requests at once than a list or a
// backup takes is waited for, request by request.
func TestThrottledCommands(t *testing.T) {
	t.Parallel()
	vault := vaulttest.Shared(t)
	to, err := url.Parse(vault.Address)
	if err != nil {
		t.Fatal(err)
	}
	mount := vault.NewMount(t)
	world := func(t *testing.T, next http.Handler) *killWorld {
		t.Helper()
		front := httptest.NewServer(next)
		t.Cleanup(front.Close)
		w := &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}
		w.file(t, "vault.token", vaulttest.RootToken)
		w.file(t, w.config, commonConfig+fmt.Sprintf("  - { name: a, backend: hashivault, hashivault: { address: %q, mount: %s, token: { file: vault.token } } }\n", front.URL, mount))
		w.inside(t, exitDone, "keys", "new", "--output-file", filepath.Join(w.dir, "keyring.json"))
		return w
	}
	proxy := httputil.NewSingleHostReverseProxy(to)
	s, call := world(t, proxy).service(t, "a")
	for i := range 4 {
		for _, name := range []secret.Name{secret.Name(fmt.Sprintf("n%d", i)), "versions"} {
			if _, err := s.service.Put(t.Context(), call, gateway.Ref{Store: "a", Name: name}, secret.Draft{Value: secret.TextValue(canary(name, i))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	t.Run("list of a pattern", func(t *testing.T) { // which asks about no others
		t.Parallel()
		narrow := &narrowProduct{next: proxy, left: map[string]int{}}
		out := world(t, narrow).must(t, exitDone, "list", "a", "versions*")
		if narrow.refused > 0 || strings.Count(out, "\n") != 2 || !strings.Contains(out, "\nversions ") {
			t.Errorf("%d requests about others: %s", narrow.refused, out)
		}
	})
	for name, args := range map[string][]string{"list": {"list", "a"}, "backup": {"backup", "a", "versions"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			narrow := &narrowProduct{next: proxy, left: map[string]int{}}
			w := world(t, narrow)
			out := w.must(t, exitDone, args...)
			if name == "list" && strings.Count(out, "\nn") != 4 {
				t.Error(out)
			}
			if narrow.refused < 3*4 { // each secret, or each version
				t.Errorf("%d requests were refused", narrow.refused)
			}
		})
	}
}
