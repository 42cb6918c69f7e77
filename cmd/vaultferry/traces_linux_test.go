package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// collected are the spans that a collector was sent.
type collected struct {
	mu     sync.Mutex
	spans  []*tracepb.Span
	tokens []string
}

func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	var req collector.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(b, &req) != nil {
		http.Error(w, "no export", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tokens = append(c.tokens, r.Header.Get("Authorization"))
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			c.spans = append(c.spans, ss.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// under are the spans of a trace whose parent is the one given, in hexadecimal.
func (c *collected) under(trace, parent string) (found []*tracepb.Span) {
	for _, s := range c.spans {
		if hex.EncodeToString(s.GetTraceId()) == trace && hex.EncodeToString(s.GetParentSpanId()) == parent {
			found = append(found, s)
		}
	}
	return found
}

func attribute(s *tracepb.Span, key string) string {
	for _, kv := range s.GetAttributes() {
		if kv.GetKey() == key {
			if v := kv.GetValue(); v.GetStringValue() == "" {
				return fmt.Sprint(v.GetIntValue())
			}
			return kv.GetValue().GetStringValue()
		}
	}
	return ""
}

// TestTraces follows one backup from the client's trace through the gateway to
// the product, and a refusal into the log.
func TestTraces(t *testing.T) {
	t.Parallel()
	vault := vaulttest.Start(t)
	target, err := url.Parse(vault.Address)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var parents []string // that Vault was told
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		mu.Lock()
		defer mu.Unlock()
		parents = append(parents, r.In.Header.Get("Traceparent"))
		r.SetURL(target)
	}}
	product := httptest.NewServer(proxy)
	defer product.Close()
	var got collected
	otel := httptest.NewServer(&got)
	defer otel.Close()

	m := newManaged(t)
	config := fmt.Sprintf(`server: { address: 127.0.0.1:1, tls: { off: true } }
admin: { address: "" }
keyring: { file: keyring.json }
audit: { file: audit.jsonl }
control: { socket: "" }
log: { level: debug, format: json }
traces: { endpoint: %q, token: { file: otel-token }, sample_percent: 0 }
stores: [ { name: main, backend: hashivault, hashivault: { address: %q, mount: secret, token: { file: vault-token } } } ]
dialects: { azure: { routes: [ { host: main.vault.localhost, store: main } ] } }
callers: [ { name: app, tokens: [ { file: token } ] } ]
policy: [ { callers: [app], allow: ["*"], stores: ["*"], names: ["*"] } ]
`, otel.URL+"/v1/traces", product.URL)
	for name, text := range map[string]string{"vaultferry.yaml": config, "otel-token": "for-the-collector", "vault-token": vaulttest.RootToken} {
		if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address, socket := listenFile(t)
	var said bytes.Buffer
	m.stderr = &said
	stop := m.start("vaultferry.socket", socket)
	const trace, client = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	call := func(method, path, body string, sampled bool, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path+"?api-version=7.4", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = "main.vault.localhost"
		req.Header.Set("Authorization", "Bearer "+m.token)
		req.Header.Set("Content-Type", "application/json")
		if sampled {
			req.Header.Set("Traceparent", "00-"+trace+"-"+client+"-01")
		}
		resp, err := (&http.Client{Timeout: startTimeout}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != want {
			t.Fatalf("%s %s: %s, %v", method, path, resp.Status, err)
		}
	}
	call(http.MethodPut, "/secrets/db-pass", `{"value":"s3cr3t-canary"}`, false, http.StatusOK)
	mu.Lock()
	untold := len(parents)
	mu.Unlock()
	call(http.MethodPost, "/secrets/db-pass/backup", "", true, http.StatusOK)
	call(http.MethodGet, "/secrets/not-there", "", true, http.StatusNotFound)
	call(http.MethodPut, "/secrets/db-pass", `{"value":`, false, http.StatusBadRequest) // before any operation
	const made = "MADE-UP-BY-A-STRANGER"
	call(made, "/secrets/db-pass", "", true, http.StatusMethodNotAllowed)
	stop()

	servers := got.under(trace, client)
	if len(servers) != 3 || len(got.tokens) == 0 || got.tokens[0] != "Bearer for-the-collector" {
		t.Fatalf("%d requests are traced, and the collector is shown %q", len(servers), got.tokens)
	}
	asked := func(method string) *tracepb.Span { // in whatever order they ended
		for _, s := range servers {
			if attribute(s, "http.request.method") == method {
				return s
			}
		}
		t.Fatalf("no request %s is traced: %v", method, servers)
		return nil
	}
	backup := asked(http.MethodPost)
	if backup.GetName() != http.MethodPost || backup.GetKind() != tracepb.Span_SPAN_KIND_SERVER || attribute(backup, "http.response.status_code") != "200" {
		t.Errorf("the request: %v", backup)
	}
	operations := got.under(trace, hex.EncodeToString(backup.GetSpanId()))
	if len(operations) != 1 || operations[0].GetName() != "azure.BackupSecret" || attribute(operations[0], "vaultferry.result") != "ok" || attribute(operations[0], "vaultferry.store") != "main" {
		t.Fatalf("its operation: %v", operations)
	}
	requests := got.under(trace, hex.EncodeToString(operations[0].GetSpanId()))
	for _, r := range requests {
		if r.GetKind() != tracepb.Span_SPAN_KIND_CLIENT || attribute(r, "server.address") != "127.0.0.1" || attribute(r, "http.response.status_code") != "200" {
			t.Errorf("a request to Vault: %v", r)
		}
		if told := "00-" + trace + "-" + hex.EncodeToString(r.GetSpanId()) + "-01"; !strings.Contains(strings.Join(parents, " "), told) {
			t.Errorf("Vault was not told %s", told)
		}
	}
	if len(requests) == 0 {
		t.Error("no request to Vault is traced")
	}
	for _, p := range parents[:untold] {
		if p != "" && !strings.HasSuffix(p, "-00") {
			t.Errorf("a request that is not traced tells Vault %q", p)
		}
	}
	all := fmt.Sprint(got.spans)
	if other := asked("_OTHER"); other.GetName() != "HTTP" {
		t.Errorf("a method that is none: %v", other)
	}
	for _, hidden := range []string{made, "db-pass", "not-there", "s3cr3t-canary", m.token, vaulttest.RootToken} {
		if strings.Contains(all, hidden) {
			t.Errorf("spans hold %s", hidden)
		}
	}
	refusalInLog(t, &said, trace)
}

// refusalInLog wants each refusal, with what finds it in the audit and, if it is
// of one, in the trace.
func refusalInLog(t *testing.T, said io.Reader, trace string) {
	t.Helper()
	var early bool
	var told int
	for lines := bufio.NewScanner(said); lines.Scan(); {
		var l struct {
			Msg, Level, Op, Store, Result string
			RequestID                     string `json:"request_id"`
			TraceID                       string `json:"trace_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		if l.Msg != "refused" {
			continue
		}
		told++
		if l.Level != "DEBUG" || l.Store != "main" || l.RequestID == "" {
			t.Errorf("a refusal: %s", lines.Text())
		}
		switch l.Op {
		case "azure.GetSecret":
			if l.Result != "not found" || l.TraceID != trace {
				t.Errorf("the refusal: %s", lines.Text())
			}
		case "azure.SetSecret":
			early = l.Result == "invalid"
		}
	}
	if told != 3 || !early {
		t.Errorf("%d refusals are in the log, that of what no operation ran for: %v", told, early)
	}
}
