package hashivault

import (
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestTLS: the server behind TLS is reached with its CA, and not without it
// or under another name.
func TestTLS(t *testing.T) {
	f := newFixture(t)
	target, err := url.Parse(f.server.Address)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewUnstartedServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})
	front.Config.ErrorLog = log.New(io.Discard, "", 0)
	front.StartTLS()
	defer front.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	f.conf.Address = front.URL
	for what, c := range map[string]struct {
		tls  connection.TLS
		want string
	}{
		"with the CA":    {connection.TLS{CAFile: ca}, ""},
		"as an extra":    {connection.TLS{ExtraCAFile: ca}, ""},
		"without":        {connection.TLS{}, "not trusted"},
		"another name":   {connection.TLS{CAFile: ca, ServerName: "vault.elsewhere"}, "not trusted"},
		"the right name": {connection.TLS{CAFile: ca, ServerName: "example.com"}, ""},
	} {
		f.conf.TLS = c.tls
		s := f.open(t, nil)
		_, err := s.Put(t.Context(), "s", kvtest.Text("x"))
		if (err == nil) != (c.want == "") || err != nil && (!errors.Is(err, secret.Unavailable) || !strings.Contains(secret.DetailOf(err), c.want)) {
			t.Errorf("%s: %v", what, err)
		}
	}
	absent := filepath.Join(t.TempDir(), "absent")
	for key, c := range map[string]connection.TLS{"tls.ca_file: ": {CAFile: absent}, "tls.extra_ca_file: ": {ExtraCAFile: absent}} {
		f.conf.TLS = c
		if _, err := newFolder(backends.Env{}, &f.conf, nil); !errors.Is(err, secret.Invalid) || !strings.HasPrefix(secret.DetailOf(err), key) {
			t.Errorf("a CA that is not there: %v", err)
		}
	}
}

// TestRedirect: an answer that sends us elsewhere is never a success, and the
// token does not go there.
func TestRedirect(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("x"))
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPatch} {
			wire := kvtest.NewWire(t)
			s := f.open(t, kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.HasPrefix(r.URL.Path, "/elsewhere") {
					t.Errorf("%d to %s is followed", status, method)
				}
				if r.Method != method {
					return wire.RoundTrip(r)
				}
				return &http.Response{StatusCode: status, Header: http.Header{"Location": {"/elsewhere"}}, Body: http.NoBody, Request: r}, nil
			}))
			_, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("canary-y"), Disabled: true})
			if !errors.Is(err, secret.Unavailable) || !strings.Contains(secret.DetailOf(err), "redirect") {
				t.Errorf("Put with %d to %s: %v", status, method, err)
			}
			_, err = s.Import(t.Context(), kvtest.Many("t", 2, "x"), "token")
			if !errors.Is(err, secret.Unavailable) {
				t.Errorf("Import with %d to %s: %v", status, method, err)
			}
		}
	}
	if n := len(f.mustExport(t, "s").Versions); n != 1 {
		t.Errorf("%d versions stand, want 1", n)
	}
}

// TestThrottled: the product's own limit of requests, with its own advice.
func TestThrottled(t *testing.T) {
	server := vaulttest.Start(t)
	f := over(t, server, func(c *Config) { c.Mount = "secret" })
	f.mustPut(t, "s", kvtest.Text("x"))
	native := server.Client(t, vaulttest.RootToken)
	for path, data := range map[string]map[string]any{
		"sys/quotas/config":          {"enable_rate_limit_response_headers": true},
		"sys/quotas/rate-limit/slow": {"path": "secret/", "rate": 1, "interval": "60s"},
	} {
		if _, err := native.Logical().Write(path, data); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		_, err := f.Put(t.Context(), "s", kvtest.Text("canary-y"))
		var e *secret.Error
		if errors.As(err, &e) && e.Kind == secret.Throttled {
			if e.RetryAfter <= time.Second || e.RetryAfter > time.Minute {
				t.Errorf("come back after %v", e.RetryAfter)
			}
			return
		}
	}
	t.Error("five writes in a minute with a limit of one, and none was throttled")
}
