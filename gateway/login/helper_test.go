package login_test

import (
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/login"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

const (
	host     = "login.vault.localhost"
	base     = "https://" + host + ":8443"
	resource = "https://vault.localhost:8443"
	scope    = resource + "/.default openid offline_access profile"
	password = "s3cr3t+marker/%&="

	jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// desk is a login with a clock and an audit of its own.
type desk struct {
	*login.Login
	handler http.Handler
	audit   *gatewaytest.Audit
	skip    atomic.Int64 // nanoseconds that the clock is ahead
}

func (d *desk) now() time.Time { return time.Unix(1_700_000_000, d.skip.Load()) }

func newDesk(t testing.TB, ring *backup.Keyring, change ...func(*login.Options)) *desk {
	t.Helper()
	d := &desk{audit: &gatewaytest.Audit{}}
	service, err := gateway.New(gateway.Options{
		Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})}},
		Policy: access.NewPolicy(nil), Keyring: ring, Audit: audit.New(d.audit, d.now), Now: d.now,
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := login.Options{
		Service: service, Keyring: ring, Host: host, Throttle: access.NewThrottle(d.now), Now: d.now,
		Clients:  []login.Client{{ID: "ci+cd", Secret: sha256.Sum256([]byte(password)), Caller: "ci"}},
		Resource: func(s string) bool { return s == resource },
	}
	for _, f := range change {
		f(&o)
	}
	if d.Login, err = login.New(o); err != nil {
		t.Fatal(err)
	}
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	d.Mount(r)
	r.NewRoute().HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	d.handler = r
	return d
}

func (d *desk) do(t testing.TB, method, target, body string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w
}

// form is a token request that succeeds, with the changes; an empty value
// leaves the parameter out.
func form(pairs ...string) string {
	v := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"ci+cd"}, "client_secret": {password}, "scope": {scope},
	}
	for i := 0; i < len(pairs); i += 2 {
		if v.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			v.Del(pairs[i])
		}
	}
	return v.Encode()
}

func (d *desk) post(t testing.TB, form string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	return d.do(t, http.MethodPost, base+"/adfs/oauth2/v2.0/token?client-request-id=1", form, change...)
}

// token is one that the desk hands out.
func (d *desk) token(t testing.TB) string {
	t.Helper()
	var answer struct {
		Token string `json:"access_token"`
	}
	if w := d.post(t, form()); w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &answer) != nil {
		t.Fatalf("the login answers %d", w.Code)
	}
	return answer.Token
}

type refused struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Numbers     []int  `json:"error_codes"`
	Time        string `json:"timestamp"`
	Trace       string `json:"trace_id"`
	Correlation string `json:"correlation_id"`
}

func errorOf(t testing.TB, w *httptest.ResponseRecorder) refused {
	t.Helper()
	var e refused
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("%d: not the JSON of an error", w.Code)
	}
	return e
}
