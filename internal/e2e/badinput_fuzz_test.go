package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// FuzzRequest sends any bytes that make an HTTP request to both dialects, as a
// caller who may read everything and change nothing: there is always one
// answer, of a vendor's shape if it is an error, at least one line of audit,
// no panic and no change.
func FuzzRequest(f *testing.F) {
	const a, h = "Host: main.vault.localhost\r\nAuthorization: Bearer TOKEN\r\n", "Host: csms.vault.localhost\r\nX-Auth-Token: TOKEN\r\n"
	for _, s := range []string{
		"GET /secrets/taken?api-version=7.4 HTTP/1.1\r\n" + a + "\r\n",
		"GET //Secrets//TAKEN/versions/?api-version=7.4&maxresults=1&$skiptoken=x HTTP/1.1\r\n" + a + "\r\n",
		"PUT /secrets/new?api-version=7.4 HTTP/1.1\r\n" + a + "Content-Length: 13\r\n\r\n{\"value\":\"x\"}",
		"POST /secrets/restore?api-version=7.4 HTTP/1.1\r\n" + a + "Content-Length: 16\r\n\r\n{\"value\":\"KVZh\"}",
		"POST /secrets/taken/backup?api-version=7.4 HTTP/1.1\r\n" + a + "\r\n",
		"GET /secrets/x0-c5h66/%2e%2e?api-version=2016-10-01 HTTP/1.0\r\n\r\n",
		"PATCH /deletedsecrets/a%2Fb/recover HTTP/1.1\r\nHost: [::1]:443\r\nAuthorization: bearer\r\n\r\n",
		"PATCH /secrets/taken/x?api-version=7.4 HTTP/1.1\r\n" + a + "Content-Length: 32\r\n\r\n{\"attributes\":{\"enabled\":false}}",
		"DELETE /deletedsecrets/taken?api-version=7.4 HTTP/1.1\r\n" + a + "\r\n",
		"GET /deletedsecrets?api-version=7.4&$skiptoken=eyJ9 HTTP/1.1\r\n" + a + "\r\n",
		"GET /v1/PROJECT/secrets?limit=2&marker=x HTTP/1.1\r\n" + h + "\r\n",
		"GET /v1/PROJECT/secrets/taken/versions/latest HTTP/1.1\r\n" + h + "\r\n",
		"GET /v1/PROJECT/secrets/taken/versions?marker=v1&limit=1 HTTP/1.1\r\n" + h + "\r\n",
		"POST /v1/PROJECT/secrets HTTP/1.1\r\n" + h + "Content-Length: 34\r\n\r\n{\"name\":\"new\",\"secret_string\":\"x\"}",
		"POST /v1/PROJECT/secrets/taken/versions HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
		"POST /v1/PROJECT/secrets/restore HTTP/1.1\r\n" + h + "Content-Length: 18\r\n\r\n{\"secret_blob\":\")\"",
		"DELETE /v1/x/csms/y/tags/z HTTP/1.1\r\n" + h + "Authorization: SDK-HMAC-SHA256 Access=A, SignedHeaders=x-sdk-date, Signature=0\r\n\r\n",
		"GET /v3/auth/tokens HTTP/1.1\r\n" + h + "\r\n",
		"CONNECT main.vault.localhost:443 HTTP/1.1\r\n" + a + "\r\n",
		"OPTIONS * HTTP/1.1\r\n" + a + "\r\n",
	} {
		f.Add([]byte(s))
	}
	log, lines := &sharedBuffer{}, &countedAudit{}
	g := gatewaytest.New(f, gatewaytest.Options{
		Policy: []access.Rule{
			{Callers: []string{"owner"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}},
			{Callers: []string{gatewaytest.Caller}, Allow: []string{"get", "list", "backup"}, Stores: []string{"*"}, Names: []string{"*"}},
		},
		AuditLog: gatewaytest.NewAuditLog(lines, time.Now), Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	for _, v := range []string{"one", "two"} {
		if _, err := g.Service.Put(f.Context(), owner, gateway.Ref{Store: "main", Name: "taken"}, secret.Draft{Value: secret.TextValue(v)}); err != nil {
			f.Fatal(err)
		}
	}
	replace := strings.NewReplacer("TOKEN", g.Token, "PROJECT", gatewaytest.Project("main"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(replace.Replace(string(raw)))))
		if err != nil {
			t.Skip("no HTTP")
		}
		r.RemoteAddr = "127.0.0.1:1"
		before := lines.n.Load()
		w := httptest.NewRecorder()
		g.Handler.ServeHTTP(w, r)
		resp := w.Result()
		if text := log.String(); text != "" {
			t.Fatalf("an error of our own making: %.500s", text)
		}
		if lines.n.Load() == before {
			t.Error("no line of audit")
		}
		checkShape(t, resp.StatusCode, resp.Header, w.Body.Bytes())
	})
}

// countedAudit only counts: a fuzzer writes a lot.
type countedAudit struct{ n atomic.Int64 }

func (c *countedAudit) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

func (*countedAudit) Sync() error  { return nil }
func (*countedAudit) Close() error { return nil }

// checkShape: nothing but reads succeeds, and errors are a vendor's.
func checkShape(t *testing.T, status int, h http.Header, body []byte) {
	t.Helper()
	var e struct {
		Error json.RawMessage `json:"error"`
		Code  string          `json:"error_code"`
	}
	switch {
	case !strings.HasPrefix(h.Get("Content-Type"), "application/json") || !json.Valid(body):
		t.Errorf("status %d with %q", status, h.Get("Content-Type"))
	case status == http.StatusOK:
	case status < 400 || status >= 500:
		t.Errorf("status %d", status)
	case json.Unmarshal(body, &e) != nil || (e.Code == "") == (len(e.Error) == 0):
		t.Errorf("status %d of no vendor's shape", status)
	}
	if bytes.Contains(body, []byte(".go:")) {
		t.Error("the answer shows our insides")
	}
}
