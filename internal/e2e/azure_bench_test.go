package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// keyVaultRequests are measured over a memory store of many secrets.
var keyVaultRequests = map[string]struct{ method, path, body string }{
	"get":    {http.MethodGet, "/secrets/bench/", ""},
	"set":    {http.MethodPut, "/secrets/bench-set", `{"value":"a value of some length, as passwords are"}`},
	"list":   {http.MethodGet, "/secrets", ""},
	"backup": {http.MethodPost, "/secrets/bench/backup", ""},
}

const many = 10_000

// BenchmarkKeyVault is each request over loopback HTTP, with authentication and
// an audit file, beside a bare net/http + mux handler that answers the same
// bytes. Allocations are those of the handlers alone.
func BenchmarkKeyVault(b *testing.B) {
	g := manySecrets(b)
	ours := httptest.NewServer(g.Handler)
	defer ours.Close()
	for name, c := range keyVaultRequests {
		b.Run(name, func(b *testing.B) {
			answer := askHandler(b, g.Handler, g.Token, c.method, c.path, c.body)
			r := mux.NewRouter().SkipClean(true)
			r.HandleFunc(c.path, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // a client that is gone fails the benchmark itself
				w.Header().Set("Content-Type", "application/json; charset=utf-8")
				_, _ = w.Write(answer)
			})
			bare := httptest.NewServer(r)
			defer bare.Close()
			send := func(url string) {
				q := keyVaultRequest(b, g.Token, c.method, url+c.path, c.body)
				if status, _ := fetch(b, q); status != http.StatusOK {
					b.Fatalf("status %d", status)
				}
			}
			compare(b, func() { send(bare.URL) }, func() { send(ours.URL) }, "bare/ours")
			allocs := func(h http.Handler) float64 {
				return testing.AllocsPerRun(20, func() { askHandler(b, h, g.Token, c.method, c.path, c.body) })
			}
			b.ReportMetric(allocs(g.Handler), "allocs/request")
			b.ReportMetric(allocs(r), "bare-allocs/request")
		})
	}
}

// BenchmarkKeyVaultPages lists all secrets page by page, and tells what the
// first pages cost and what the last ones do: the same, if a page does not pay
// for those before it.
func BenchmarkKeyVaultPages(b *testing.B) {
	g := manySecrets(b)
	const ends = 40
	var first, last time.Duration
	for b.Loop() {
		var took []time.Duration
		for path := "/secrets"; path != ""; {
			start := time.Now()
			body := string(askHandler(b, g.Handler, g.Token, http.MethodGet, path, ""))
			took = append(took, time.Since(start))
			_, path, _ = strings.Cut(body, `"nextLink":"https://main.vault.localhost:443`)
			path, _, _ = strings.Cut(path, `"`)
		}
		if len(took) != many/25+1 { // one secret more than fills them
			b.Fatalf("%d pages", len(took))
		}
		for i := range ends {
			first += took[i]
			last += took[len(took)-2-i]
		}
	}
	b.ReportMetric(float64(first.Microseconds())/float64(b.N)/ends, "first-us/page")
	b.ReportMetric(float64(last.Microseconds())/float64(b.N)/ends, "last-us/page")
}

func manySecrets(b *testing.B) *gatewaytest.Gateway {
	b.Helper()
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	g := gatewaytest.New(b, gatewaytest.Options{AuditLog: log})
	seed(b, g, "main", "bench", "a value of some length, as passwords are")
	for i := range many {
		seed(b, g, "main", fmt.Sprintf("name-%05d", i), "x")
	}
	return g
}

func keyVaultRequest(b *testing.B, token, method, url, body string) *http.Request {
	b.Helper()
	if !strings.Contains(url, "?") { // as a nextLink does
		url += "?api-version=2026-04-01"
	}
	r, err := http.NewRequestWithContext(b.Context(), method, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	r.Host = "main.vault.localhost"
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func askHandler(b *testing.B, h http.Handler, token, method, path, body string) []byte {
	b.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, keyVaultRequest(b, token, method, "https://main.vault.localhost"+path, body))
	if w.Code != http.StatusOK {
		b.Fatalf("status %d", w.Code)
	}
	return w.Body.Bytes()
}
