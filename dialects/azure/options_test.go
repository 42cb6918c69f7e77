package azure_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

func TestEveryProblemOfTheOptionsAtOnce(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	_, err := azure.New(azure.Options{
		Service: g.Service, Authority: "https://login.example", Resource: "vault.example",
		Routes: []azure.Route{
			{Host: "a.example", Store: "main"},
			{Host: "A.Example", Store: "main"},
			{Host: "b.example", Store: "nowhere"},
			{Host: "*.vault.example", Store: "main", Prefix: "{1}"},
			{Host: "c.example", Store: "main", Resource: "http://x"},
		},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`authority "https://login.example"`, `resource "vault.example"`, `"A.Example"`, `"nowhere"`, `"*.vault.example": prefix "{1}"`, `resource "http://x"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("nothing said of %s in: %v", want, err)
		}
	}
}

func TestResourceOfTheChallenge(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	d, err := azure.New(azure.Options{
		Service: g.Service, Credentials: access.NewCredentials(), Throttle: access.NewThrottle(time.Now),
		Authority: "https://login.example/adfs", Resource: "https://vault.azure.net",
		Routes: []azure.Route{{Host: "*", Store: "main"}, {Host: "own.example", Store: "main", Resource: "https://own.example:1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	d.Mount(r)
	for host, want := range map[string]string{"any.example": "https://vault.azure.net", "OWN.example:8443": "https://own.example:1"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+"/secrets", nil))
		if got := headerOf(w.Header(), "WWW-Authenticate"); got != `Bearer authorization="https://login.example/adfs", resource="`+want+`"` {
			t.Errorf("%s: %s", host, got)
		}
	}
}

// A balancer that asks for the health of a vault is told before the gateway stops.
func TestHealthWhileStopping(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	for _, stopping := range []bool{false, true} {
		d, err := azure.New(azure.Options{
			Service: g.Service, Credentials: access.NewCredentials(), Throttle: access.NewThrottle(time.Now),
			Authority: "https://login.example/adfs", Routes: []azure.Route{{Host: "a.example", Store: "main"}},
			Stopping: func() bool { return stopping },
		})
		if err != nil {
			t.Fatal(err)
		}
		r := mux.NewRouter().SkipClean(true).UseEncodedPath()
		d.Mount(r)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://192.0.2.7/healthstatus", nil))
		if want := map[bool]string{false: "200 true", true: "503 false"}[stopping]; fmt.Sprint(w.Code, " ", w.Body) != want {
			t.Errorf("%d %s, want %s", w.Code, w.Body, want)
		}
	}
}

// The login of the gateway is behind the listener that the client has asked,
// so it is told that port, and clients that follow it find it.
func TestAuthorityOfTheChallenge(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	for _, c := range []struct{ authority, login, asked, want string }{
		{"https://login.example/adfs", "login.example", "a.vault.example:8443", "https://login.example:8443/adfs"},
		{"https://login.example/adfs", "login.example", "a.vault.example:443", "https://login.example/adfs"},
		{"https://login.example/adfs", "login.example", "a.vault.example", "https://login.example/adfs"},
		{"https://Login.Example/adfs/", "login.example", "a.vault.example:1", "https://Login.Example:1/adfs/"},
		{"https://login.example:9/adfs", "login.example", "a.vault.example:8443", "https://login.example:9/adfs"},
		{"https://login.example/adfs", "", "a.vault.example:8443", "https://login.example/adfs"},
		{"https://login.microsoftonline.com/t", "login.example", "a.vault.example:8443", "https://login.microsoftonline.com/t"},
		{"https://login.example/adfs", "login.example", "a.vault.example:x", "https://login.example/adfs"},
	} {
		d, err := azure.New(azure.Options{
			Service: g.Service, Credentials: access.NewCredentials(), Throttle: access.NewThrottle(time.Now),
			Authority: c.authority, Login: c.login, Resource: "https://vault.example/", Routes: []azure.Route{{Host: "*", Store: "main"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := mux.NewRouter().SkipClean(true).UseEncodedPath()
		d.Mount(r)
		w := httptest.NewRecorder()
		ask := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://x/secrets", nil)
		ask.Host = c.asked
		r.ServeHTTP(w, ask)
		if got, want := headerOf(w.Header(), "WWW-Authenticate"), `Bearer authorization="`+c.want+`", resource="https://vault.example"`; got != want {
			t.Errorf("%s at %s: %s, want %s", c.authority, c.asked, got, want)
		}
	}
}

// headerOf finds a header however it is spelled: the service spells some in a
// way that package http does not look for.
func headerOf(h http.Header, name string) string {
	for k, vs := range h {
		if strings.EqualFold(k, name) {
			return strings.Join(vs, ", ")
		}
	}
	return ""
}

// The path picks the dialect, and only azure's paths are normalised. What bears
// the marks of Huawei's clients is huawei's at every path but azure's own.
func TestDialectsShareARouter(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	const signature = "SDK-HMAC-SHA256 Access=x, SignedHeaders=x-sdk-date, Signature=00"
	for path, azures := range map[string]bool{
		"/v1/x/secrets": false, "/v3/x": false, "/": true, "/v2/x": true, "/secrets": true, "//v1/x/secrets": true, "/V1/x": true, "/v1secrets": true,
		"/v1.0/x/kms/list-keys": true, "/keys": true, "//Secrets/x": true, "/deletedsecrets": true,
	} {
		own := strings.Contains(strings.ToLower(path), "secrets") && !strings.Contains(path, "v1")
		for name, c := range map[string]struct {
			headers []string
			azures  bool
		}{
			"no mark":               {nil, azures},
			"a bearer token":        {[]string{"Authorization", "Bearer x"}, azures},
			"a bearer token beside": {[]string{"Authorization", "Bearer x", "X-Auth-Token", "x", "X-Sdk-Date", "x"}, azures},
			"a signature":           {[]string{"Authorization", signature}, false},
			"a derived signature":   {[]string{"Authorization", "V11" + signature[3:]}, false},
			"another algorithm":     {[]string{"Authorization", "SDK-ECDSA-P256-SHA256 Access=x"}, false},
			"a token":               {[]string{"X-Auth-Token", "x"}, own},
			"a date":                {[]string{"X-Sdk-Date", "x"}, own},
		} {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://main.vault.localhost"+path, nil)
			for i := 0; i < len(c.headers); i += 2 {
				r.Header.Set(c.headers[i], c.headers[i+1])
			}
			g.Handler.ServeHTTP(w, r)
			if got := headerOf(w.Header(), "x-ms-request-id") != ""; got != c.azures {
				t.Errorf("%s with %s: azure answers: %v", path, name, got)
			}
		}
	}
}
