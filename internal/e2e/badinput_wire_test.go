package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestOddButGood: forms that the vendors' services take, for clients exist
// that send them.
func TestOddButGood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v vendor
		x *exchange
	}{
		"two slashes, and one at the end": {azureWire{}, &exchange{method: httpGet, path: "//secrets//taken/"}},
		"words in another case":           {azureWire{}, &exchange{method: httpGet, path: "/Secrets/TAKEN"}},
		"backup in another case":          {azureWire{}, &exchange{method: httpPost, path: "/secrets/taken/Backup"}},
		"bearer in lower case": {azureWire{}, &exchange{
			method: httpGet, path: "/secrets/taken",
			change: func(w *badWorld, r *http.Request) { r.Header.Set("Authorization", "bearer "+w.Token) },
		}},
		"host in upper case": {azureWire{}, &exchange{
			method: httpGet, path: "/secrets/taken",
			change: func(_ *badWorld, r *http.Request) { r.Host = strings.ToUpper(r.URL.Host) },
		}},
		"host without a port":    {azureWire{}, &exchange{method: httpGet, path: "/secrets/taken", change: func(_ *badWorld, r *http.Request) { r.Host = "main.vault.localhost" }}},
		"the oldest api-version": {azureWire{}, &exchange{method: httpGet, path: "/secrets/taken", query: "api-version=2015-06-01"}},
		"a token":                {huaweiWire{}, &exchange{method: httpGet, path: "/secrets/taken", change: func(w *badWorld, r *http.Request) { hwToken(w.Token)(w, r) }}},
		"a good signature and a wrong token": {huaweiWire{}, &exchange{
			method: httpGet, path: "/secrets/taken",
			change: func(_ *badWorld, r *http.Request) { r.Header.Set("X-Auth-Token", "wrong") },
		}},
		"a date ten minutes old": {huaweiWire{}, &exchange{
			method: httpGet, path: "/secrets/taken",
			change: func(w *badWorld, r *http.Request) {
				sdkSign(w, r, w.AccessKey, w.SecretKey, time.Now().Add(-10*time.Minute))
			},
		}},
	} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
			t.Run(name+" "+proto, func(t *testing.T) {
				t.Parallel()
				w := newBadWorld(t, nil)
				w.mark(t)
				if a := w.send(t, c.v, c.x, proto, ""); a.status != http.StatusOK {
					t.Errorf("answered %d: %s", a.status, c.v.parse(t, a).message)
				}
				w.checkUnchanged(t)
				w.checkSilent(t, "the log", w.log.String())
				w.checkSilent(t, "the audit", w.audit.Text())
			})
		}
	}
}

// TestUnknownMembers: azure passes over them, and keeps nothing of them.
func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	w := newBadWorld(t, nil)
	x := &exchange{method: httpPut, path: "/secrets/new", body: `{"value":"` + hush + `","kid":"x","attributes":{"recoveryLevel":"Purgeable","more":{}}}`}
	if a := w.send(t, azureWire{}, x, "HTTP/2.0", x.body); a.status != http.StatusOK {
		t.Fatalf("answered %d", a.status)
	}
	s, err := w.stores["main"].Describe(t.Context(), "new")
	if err != nil || len(s.Versions) != 1 {
		t.Fatalf("not one version (%v)", err)
	}
	if v := s.Versions[0]; len(s.Extra)+len(v.Extra)+len(s.Tags)+len(v.Tags) != 0 {
		t.Error("something of it was kept")
	}
}

// TestRawRequests are such as no client library sends. Whoever answers, the
// HTTP server or the dialect, nothing breaks, leaks or changes.
func TestRawRequests(t *testing.T) {
	t.Parallel()
	const head = "Host: main.vault.localhost\r\nAuthorization: Bearer TOKEN\r\nConnection: close\r\n"
	const query = "?api-version=2026-04-01 "
	value := `{"value":"` + hush + `"}`
	for name, c := range map[string]struct {
		request string
		status  int
	}{
		"a zero byte in the path":       {"GET /secrets/ta\x00ken" + query + "HTTP/1.1\r\n" + head + "\r\n", 400},
		"a line end in the path":        {"GET /secrets/ta\rken" + query + "HTTP/1.1\r\n" + head + "\r\n", 400},
		"a broken escape":               {"GET /secrets/%zz" + query + "HTTP/1.1\r\n" + head + "\r\n", 400},
		"dots above the root":           {"GET /../secrets/taken" + query + "HTTP/1.1\r\n" + head + "\r\n", 404},
		"dots as a name":                {"GET /secrets/.." + query + "HTTP/1.1\r\n" + head + "\r\n", 400},
		"dots as a version":             {"GET /secrets/taken/.." + query + "HTTP/1.1\r\n" + head + "\r\n", 404},
		"dots to another name":          {"GET /secrets/x/../taken" + query + "HTTP/1.1\r\n" + head + "\r\n", 404},
		"a back slash":                  {"GET /secrets\\taken" + query + "HTTP/1.1\r\n" + head + "\r\n", 404},
		"no path":                       {"GET " + query + "HTTP/1.1\r\n" + head + "\r\n", 400},
		"a star":                        {"GET * HTTP/1.1\r\n" + head + "\r\n", 404},
		"a tunnel":                      {"CONNECT main.vault.localhost:443 HTTP/1.1\r\n" + head + "\r\n", 404},
		"a trace":                       {"TRACE /secrets/taken" + query + "HTTP/1.1\r\n" + head + "\r\n", 405},
		"two hosts":                     {"GET /secrets/taken" + query + "HTTP/1.1\r\nHost: private.vault.localhost\r\n" + head + "\r\n", 400},
		"no host":                       {"GET /secrets/taken" + query + "HTTP/1.0\r\nAuthorization: Bearer TOKEN\r\n\r\n", 403},
		"another host in the request":   {"GET https://private.vault.localhost/secrets/theirs" + query + "HTTP/1.1\r\n" + head + "\r\n", 403},
		"two lengths":                   {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Content-Length: 5\r\nContent-Length: 30\r\n\r\n" + value, 400},
		"a length below zero":           {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Content-Length: -1\r\n\r\n" + value, 400},
		"a length that is too short":    {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Content-Length: 12\r\n\r\n" + value, 400},
		"a huge length":                 {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Content-Length: 9223372036854775807\r\n\r\n" + value, 413},
		"a length that does not fit":    {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Content-Length: 9223372036854775808\r\n\r\n" + value, 400},
		"a broken chunk":                {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + value, 400},
		"a chunk shorter than it says":  {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Transfer-Encoding: chunked\r\n\r\n5\r\n" + value + "\r\n0\r\n\r\n", 400},
		"another transfer encoding":     {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
		"compressed":                    {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", 400},
		"an expectation that is no 100": {"PUT /secrets/new" + query + "HTTP/1.1\r\n" + head + "Expect: 200-ok\r\nContent-Length: 0\r\n\r\n", 417},
		"a header without end":          {"GET /secrets/taken" + query + "HTTP/1.1\r\n" + head + "X: " + strings.Repeat("x", 2<<20) + "\r\n\r\n", 431},
		"a token with a line end":       {"GET /secrets/taken" + query + "HTTP/1.1\r\nHost: main.vault.localhost\r\nAuthorization: Bearer\r\n TOKEN\r\n\r\n", 200},
		"no HTTP at all":                {"\x16\x03\x01 hello\r\n\r\n", 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newBadWorld(t, nil)
			w.mark(t)
			a := readAnswer(t, w.raw(t, strings.ReplaceAll(c.request, "TOKEN", w.Token)))
			if a.status != c.status {
				t.Errorf("answered %d, want %d", a.status, c.status)
			}
			w.checkUnchanged(t)
			if a.status != http.StatusOK {
				w.checkSilent(t, "the answer", fmt.Sprint(a.header, string(a.body)))
			}
			w.checkSilent(t, "the log", w.log.String())
			w.checkSilent(t, "the audit", w.audit.Text())
		})
	}
}

// TestRepeatsOfTheLost: both vendors' clients send an unavailable answer's
// request again. What had landed is neither doubled nor refused.
func TestRepeatsOfTheLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		v    vendor
		x    *exchange
		lost int
		made secret.Name
	}{
		"azure write":    {azureWire{}, azStore("main", nil, 0, "", "", ""), 503, "new"},
		"azure restore":  {azureWire{}, &exchange{method: httpPost, path: "/secrets/restore", made: inWire(renamed)}, 503, "renamed"},
		"huawei write":   {huaweiWire{}, hwStore("main", nil, 0, "", "", ""), 504, "new"},
		"huawei restore": {huaweiWire{}, &exchange{method: httpPost, path: "/secrets/restore", made: inJSONOf("secret_blob", renamed)}, 504, "renamed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, body := goneWorld(t, c.x)
			w.main.After = func(context.Context, string) error { return lost }
			if a := w.send(t, c.v, c.x, "HTTP/2.0", body); a.status != c.lost {
				t.Errorf("the lost one answers %d", a.status)
			}
			w.main.After = nil
			before, err := w.stores["main"].Describe(t.Context(), c.made)
			if err != nil {
				t.Fatal(err)
			}
			if a := w.send(t, c.v, c.x, "HTTP/2.0", body); a.status != http.StatusOK {
				t.Errorf("the repeat answers %d: %s", a.status, c.v.parse(t, a).message)
			}
			after, err := w.Service.Describe(t.Context(), owner, gateway.Ref{Store: "main", Name: c.made})
			if err != nil || len(after.Versions) != len(before.Versions) {
				t.Errorf("the repeat made a version (%v)", err)
			}
		})
	}
}
