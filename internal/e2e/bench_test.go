package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// BenchmarkGet is a GET of a current secret from memory over loopback HTTP,
// with authentication and an audit file, beside a bare net/http + mux handler
// that answers the same bytes. The metric ratio is bare time over ours; it is
// to be at least 0.5.
func BenchmarkGet(b *testing.B) {
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	g := gatewaytest.New(b, gatewaytest.Options{AuditLog: log})
	seed(b, g, "main", "bench", "a value of some length, as passwords are")
	ours := httptest.NewServer(g.Handler)
	defer ours.Close()
	ask := request(b, ours.URL+"/secrets/bench/?api-version=2026-04-01", g.Token)
	status, body := fetch(b, ask)
	if status != http.StatusOK {
		b.Fatalf("status %d", status)
	}
	r := mux.NewRouter()
	r.HandleFunc("/secrets/{name}/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = w.Write(body)
	})
	bare := httptest.NewServer(r)
	defer bare.Close()
	plain := request(b, bare.URL+"/secrets/bench/?api-version=2026-04-01", g.Token)
	compare(b, func() { fetch(b, plain) }, func() { fetch(b, ask) }, "bare/ours")
}

// BenchmarkBackup is a backup of 100 versions of 1 KiB from memory through the
// Service, beside encoding and sealing the same document alone. The metric is
// our time over the other; it is to be at most 1.5.
func BenchmarkBackup(b *testing.B) {
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	g := gatewaytest.New(b, gatewaytest.Options{AuditLog: log})
	for i := range 100 {
		seed(b, g, "main", "bench", fmt.Sprintf("%03d%s", i, strings.Repeat("x", 1021)))
	}
	blob, err := g.Service.Backup(b.Context(), tester, gateway.Ref{Store: "main", Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	doc, err := g.Keyring.Open(blob)
	if err != nil {
		b.Fatal(err)
	}
	compare(b, func() {
		if _, err := g.Service.Backup(b.Context(), tester, gateway.Ref{Store: "main", Name: "bench"}); err != nil {
			b.Fatal(err)
		}
	}, func() {
		if _, err := g.Keyring.Seal(&backup.Document{Origin: doc.Origin, SealedAt: doc.SealedAt, Secret: doc.Secret}); err != nil {
			b.Fatal(err)
		}
	}, "ours/seal")
}

// compare runs both in turn, so that a machine whose speed drifts drifts for
// both, and reports how often the median of the second fits into the first's.
func compare(b *testing.B, first, second func(), unit string) {
	b.Helper()
	var t1, t2 []time.Duration
	for b.Loop() {
		start := time.Now()
		first()
		middle := time.Now()
		second()
		t1, t2 = append(t1, middle.Sub(start)), append(t2, time.Since(middle))
	}
	report(b, t1, t2, unit)
}

// report reports how often the median of t2 fits into that of t1.
func report(b *testing.B, t1, t2 []time.Duration, unit string) {
	b.Helper()
	slices.Sort(t1)
	slices.Sort(t2)
	m1, m2 := t1[len(t1)/2], t2[len(t2)/2]
	b.ReportMetric(float64(m1)/float64(m2), unit)
	b.ReportMetric(float64(m1.Nanoseconds()), "first-ns/op")
	b.ReportMetric(float64(m2.Nanoseconds()), "second-ns/op")
}

func seed(b *testing.B, g *gatewaytest.Gateway, store, name, value string) {
	b.Helper()
	_, err := g.Service.Put(b.Context(), tester, gateway.Ref{Store: store, Name: secret.Name(name)}, secret.Draft{Value: secret.TextValue(value)})
	if err != nil {
		b.Fatal(err)
	}
}

func request(b *testing.B, url, token string) *http.Request {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Host = "main.vault.localhost"
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

func fetch(b *testing.B, req *http.Request) (int, []byte) {
	b.Helper()
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // the same client for both sides
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.Fatal(err)
	}
	return resp.StatusCode, body
}
