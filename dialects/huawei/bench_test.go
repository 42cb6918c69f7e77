package huawei_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// BenchmarkShowSecretVersion is a signed read of the current version from
// memory, with an audit file, beside a bare mux handler that answers the same
// bytes: once without the network, once over loopback HTTP. The metric is bare
// time over ours.
func BenchmarkShowSecretVersion(b *testing.B) {
	g := benchGateway(b, 1)
	ask := message{Path: "/secrets/s00000/versions/latest"}.request(b, g)
	w := httptest.NewRecorder()
	g.Handler.ServeHTTP(w, ask)
	if w.Code != http.StatusOK {
		b.Fatalf("status %d", w.Code)
	}
	body := w.Body.Bytes()
	bare := mux.NewRouter()
	bare.HandleFunc("/v1/{project}/secrets/{name}/versions/{version}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	b.Run("handler", func(b *testing.B) {
		serve := func(h http.Handler) func() {
			return func() {
				if w := httptest.NewRecorder(); !served(h, w, ask) {
					b.Fatalf("status %d", w.Code)
				}
			}
		}
		b.ReportAllocs()
		compare(b, serve(bare), serve(g.Handler))
	})
	b.Run("loopback", func(b *testing.B) {
		fetch := func(h http.Handler) func() {
			srv := httptest.NewServer(h)
			b.Cleanup(srv.Close)
			r := message{Path: "/secrets/s00000/versions/latest"}.request(b, g)
			r.URL.Scheme, r.URL.Host = "http", srv.Listener.Addr().String()
			return func() {
				resp, err := srv.Client().Do(r)
				must(b, err)
				_, err = io.Copy(io.Discard, resp.Body)
				must(b, err)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Fatalf("status %d", resp.StatusCode)
				}
			}
		}
		compare(b, fetch(bare), fetch(g.Handler))
	})
}

// BenchmarkListSecrets walks 10,000 secrets of a memory store in signed pages
// of 1,000, beside a bare handler that encodes the same answers.
func BenchmarkListSecrets(b *testing.B) {
	const total, limit = 10_000, 1000
	g := benchGateway(b, total)
	var pages []*http.Request
	var answers []any
	for after := ""; len(pages) < total/limit; {
		path := fmt.Sprintf("/secrets?limit=%d", limit)
		if after != "" {
			path += "&marker=" + after
		}
		pages = append(pages, message{Path: path}.request(b, g))
		w := httptest.NewRecorder()
		g.Handler.ServeHTTP(w, pages[len(pages)-1])
		var page listAnswer
		must(b, json.Unmarshal(w.Body.Bytes(), &page))
		if len(page.Secrets) != limit {
			b.Fatalf("%d secrets", len(page.Secrets))
		}
		answers, after = append(answers, page), page.Secrets[limit-1].Name
	}
	b.ReportAllocs()
	compare(b, func() {
		for _, a := range answers {
			must(b, json.NewEncoder(httptest.NewRecorder()).Encode(a))
		}
	}, func() {
		for _, r := range pages {
			if w := httptest.NewRecorder(); !served(g.Handler, w, r) {
				b.Fatalf("status %d", w.Code)
			}
		}
	})
}

type listAnswer struct {
	Secrets []struct {
		ID                  string   `json:"id"`
		Name                string   `json:"name"`
		State               string   `json:"state"`
		KMSKeyID            string   `json:"kms_key_id"`
		Description         string   `json:"description"`
		CreateTime          int64    `json:"create_time"`
		UpdateTime          int64    `json:"update_time"`
		ScheduledDeleteTime *int64   `json:"scheduled_delete_time"`
		SecretType          string   `json:"secret_type"`
		AutoRotation        bool     `json:"auto_rotation"`
		EventSubscriptions  []string `json:"event_subscriptions"`
		EnterpriseProjectID string   `json:"enterprise_project_id"`
	} `json:"secrets"`
	PageInfo map[string]any `json:"page_info"`
}

func served(h http.Handler, w *httptest.ResponseRecorder, r *http.Request) bool {
	h.ServeHTTP(w, r)
	return w.Code == http.StatusOK
}

// benchGateway holds n secrets in memory and audits to a file.
func benchGateway(b *testing.B, n int) *gatewaytest.Gateway {
	b.Helper()
	log, err := audit.Open(filepath.Join(b.TempDir(), "audit.jsonl"), time.Now)
	must(b, err)
	store := memory.New(memory.Options{})
	for i := range n {
		_, err := store.Put(b.Context(), secret.Name(fmt.Sprintf("s%05d", i)), secret.Draft{Value: secret.TextValue("a value of some length, as passwords are")})
		must(b, err)
	}
	return gatewaytest.New(b, gatewaytest.Options{AuditLog: log, Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: store}}})
}

// compare runs both in turn, so that a machine whose speed drifts drifts for
// both, and reports how often the second fits into the first.
func compare(b *testing.B, first, second func()) {
	b.Helper()
	var t1, t2 time.Duration
	for b.Loop() {
		start := time.Now()
		first()
		middle := time.Now()
		second()
		t1 += middle.Sub(start)
		t2 += time.Since(middle)
	}
	b.ReportMetric(float64(t1)/float64(t2), "bare/ours")
	b.ReportMetric(float64(t1.Nanoseconds())/float64(b.N), "bare-ns/op")
	b.ReportMetric(float64(t2.Nanoseconds())/float64(b.N), "ours-ns/op")
}
