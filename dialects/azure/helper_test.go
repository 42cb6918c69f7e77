package azure_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// request is one as a server would get it, with the gateway's own token.
func request(t testing.TB, g *gatewaytest.Gateway, method, url, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+g.Token)
	return r
}

// reply is an answer that came over TLS, read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

// code is that of the error, or empty.
func (r reply) code() string {
	var f struct{ Error struct{ Code string } }
	if json.Unmarshal([]byte(r.body), &f) != nil {
		return ""
	}
	return f.Error.Code
}

// do sends a request to the running gateway. path begins behind the host.
func do(t testing.TB, g *gatewaytest.Gateway, store, method, path, body string) reply {
	t.Helper()
	return doFrom(t, g, store, method, path, strings.NewReader(body))
}

func doFrom(t testing.TB, g *gatewaytest.Gateway, store, method, path string, body io.Reader) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.VaultURL(store)+path+"?api-version=2026-04-01", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.Token)
	resp, err := g.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{resp.StatusCode, resp.Header, string(b)}
}

// set makes a secret in a store.
func set(t testing.TB, g *gatewaytest.Gateway, store, name, value string) {
	t.Helper()
	b, err := json.Marshal(map[string]string{"value": value})
	if err != nil {
		t.Fatal(err)
	}
	if r := do(t, g, store, http.MethodPut, "/secrets/"+name, string(b)); r.status != http.StatusOK {
		t.Fatalf("set: %d %s", r.status, r.code())
	}
}

// blobOf backs a secret up, and returns what RestoreSecret takes.
func blobOf(t testing.TB, g *gatewaytest.Gateway, store, name string) string {
	t.Helper()
	r := do(t, g, store, http.MethodPost, "/secrets/"+name+"/backup", "")
	if r.status != http.StatusOK {
		t.Fatalf("backup: %d %s", r.status, r.code())
	}
	return r.body
}

// lastResult is what the audit says of the last request.
func lastResult(t testing.TB, g *gatewaytest.Gateway) string {
	t.Helper()
	all := g.Audit.Entries(t)
	if len(all) == 0 {
		t.Fatal("the audit is empty")
	}
	return all[len(all)-1].Result
}

// play lets the gateway answer without a network between.
func play(g *gatewaytest.Gateway, r *http.Request) (status int, body string) {
	w := httptest.NewRecorder()
	g.Handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}
