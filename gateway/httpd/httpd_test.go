package httpd_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/httpd"
	"github.com/vaultferry/vaultferry/secret"
)

// echo answers with the path as it came, once release lets it.
type echo struct{ entered, release chan struct{} }

func (echo) Name() string { return "echo" }

func (e echo) Mount(r *mux.Router) {
	r.PathPrefix("/").HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(e.entered)
			<-e.release
		}
		_, _ = io.WriteString(w, r.URL.EscapedPath())
	})
}

type rig struct {
	server *httpd.Server
	client *http.Client
	down   *backendtest.Faulty
	svc    *gateway.Service
	audit  *audit.Log
	echo   echo
	stop   context.CancelFunc
	done   chan error
}

func start(t *testing.T, withTLS bool, change ...func(*httpd.Options)) *rig {
	t.Helper()
	keys, err := backup.NewKeyringOf("A256KW")
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(filepath.Join(t.TempDir(), "audit"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		down: &backendtest.Faulty{Backend: memory.New(memory.Options{})}, audit: log, done: make(chan error, 1),
		echo: echo{entered: make(chan struct{}), release: make(chan struct{})},
	}
	m := httpd.NewMetrics()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	r.svc, err = gateway.New(gateway.Options{
		Stores: []gateway.Store{{Name: "s", Kind: "memory", Backend: r.down}}, Keyring: keys, Audit: log, Log: quiet, Observe: m.Observe,
		Policy: access.NewPolicy(nil),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := httpd.Options{
		Service: r.svc, Dialects: []dialects.Dialect{r.echo}, Address: "127.0.0.1:0", Admin: httpd.Admin{Address: "127.0.0.1:0"}, Metrics: m, Log: quiet,
	}
	r.client = &http.Client{Timeout: 2 * time.Minute}
	if withTLS {
		ts := httptest.NewUnstartedServer(nil) // for its certificate alone
		ts.StartTLS()
		o.TLS, r.client = &tls.Config{Certificates: ts.TLS.Certificates}, ts.Client()
		ts.Close()
	}
	for _, c := range change {
		c(&o)
	}
	if r.server, err = httpd.New(o); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	if err := r.server.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	go func() { r.done <- r.server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-r.done
		_ = log.Close()
	})
	return r
}

func (r *rig) get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := r.client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestPathsReachTheDialectUntouched(t *testing.T) {
	t.Parallel()
	r := start(t, false)
	for _, path := range []string{"//a//b", "/a%2Fb/../c", "/a/", "/%41"} {
		if status, got := r.get(t, "http://"+r.server.Address()+path); status != 200 || got != path {
			t.Errorf("%s arrives as %s (%d)", path, got, status)
		}
	}
}

func TestTLSIsAtLeast12(t *testing.T) {
	t.Parallel()
	r := start(t, true)
	if status, _ := r.get(t, "https://"+r.server.Address()+"/x"); status != 200 {
		t.Errorf("status %d", status)
	}
	conn, err := tls.Dial("tcp", r.server.Address(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
	if err == nil {
		_ = conn.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

// TestProtocols: curl --http1.0 offers http/1.0 and nothing else, and older clients
// offer nothing.
func TestProtocols(t *testing.T) {
	t.Parallel()
	r := start(t, true)
	for _, offered := range [][]string{nil, {"http/1.0"}, {"http/1.1"}, {"http/1.1", "http/1.0"}} {
		tr := r.client.Transport.(*http.Transport).Clone()
		tr.ForceAttemptHTTP2, tr.TLSClientConfig.NextProtos = false, offered
		resp, err := (&http.Client{Transport: tr}).Get("https://" + r.server.Address() + "/x")
		if err != nil {
			t.Errorf("%q: %v", offered, err)
			continue
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusOK || len(offered) > 0 && resp.TLS.NegotiatedProtocol != offered[0] {
			t.Errorf("%q: status %d by %q", offered, resp.StatusCode, resp.TLS.NegotiatedProtocol)
		}
		tr.CloseIdleConnections()
	}
}

func TestTLSCannotBeOffBeyondLoopback(t *testing.T) {
	t.Parallel()
	for _, a := range []string{"0.0.0.0:0", ":0", "example.com:1", "nonsense"} {
		if _, err := httpd.New(httpd.Options{Address: a, Log: slog.Default()}); err == nil {
			t.Errorf("%q is served without TLS", a)
		}
	}
}

// TestAdminBeyondLoopback: what the configuration may not say of admin.address, a
// listener that somebody else opened may not be either.
func TestAdminBeyondLoopback(t *testing.T) {
	t.Parallel()
	quiet := slog.New(slog.DiscardHandler)
	token, pair := [32]byte{1}, &tls.Config{MinVersion: tls.VersionTLS12}
	dir := t.TempDir()
	for address, local := range map[string]bool{"127.0.0.1:0": true, "0.0.0.0:0": false, filepath.Join(dir, "s"): true} {
		network := "tcp"
		if filepath.IsAbs(address) {
			network = "unix"
		}
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		for _, c := range []struct {
			admin httpd.Admin
			want  string // beyond loopback
		}{
			{httpd.Admin{}, ""},
			{httpd.Admin{Pprof: true}, "admin.pprof"},
			{httpd.Admin{Token: &token}, "admin.tls"},
			{httpd.Admin{Token: &token, Pprof: true}, "admin.tls"},
			{httpd.Admin{Token: &token, Pprof: true, TLS: pair}, ""},
		} {
			m := httpd.NewMetrics()
			_, err := httpd.New(httpd.Options{Address: "127.0.0.1:0", Admin: c.admin, Metrics: m, Log: quiet, Inherited: httpd.Inherited{Admin: ln}})
			if refused := err != nil && strings.Contains(err.Error(), c.want); refused != (c.want != "" && !local) || !refused && err != nil {
				t.Errorf("%s, %+v: %v", address, c.admin, err)
			}
		}
	}
}

func TestShutdownLetsRequestsFinish(t *testing.T) {
	t.Parallel()
	r := start(t, false)
	got := make(chan string, 1)
	go func() {
		resp, err := r.client.Get("http://" + r.server.Address() + "/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		got <- string(b)
	}()
	<-r.echo.entered
	r.stop()
	close(r.echo.release)
	if s := <-got; s != "/slow" {
		t.Errorf("the request ended with %q", s)
	}
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil // for the cleanup
}

func TestReadinessIsTheGatewaysOwn(t *testing.T) {
	t.Parallel()
	r := start(t, false)
	admin := "http://" + r.server.AdminAddress()
	r.down.Before = func(context.Context, string) error {
		return &secret.Error{Kind: secret.Unavailable, Err: errors.New("refused")}
	}
	_ = r.svc.Check(t.Context(), "s")
	status, body := r.get(t, admin+"/readyz")
	var b struct{ Stores []gateway.StoreHealth }
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		t.Fatal(err)
	}
	if status != 200 || len(b.Stores) != 1 || b.Stores[0].State != gateway.StoreDown {
		t.Errorf("a store that is down: %d %s", status, body)
	}
	if _, m := r.get(t, admin+"/metrics"); !strings.Contains(m, `vaultferry_store_up{store="s"} 0`) {
		t.Error("the metric says otherwise")
	}
	_ = r.svc.Reject(t.Context(), gateway.Call{Op: "x.Unknown"}, gateway.Ref{}, secret.NotFound)
	if _, m := r.get(t, admin+"/metrics"); strings.Contains(m, `ops_total{store=""}`) || !strings.Contains(m, `calls_total{op="x.Unknown"`) {
		t.Error("a call that found no store is counted as one's, or not at all")
	}
	if err := r.audit.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatal(err)
	}
	if status, _ := r.get(t, admin+"/readyz"); status != 503 {
		t.Errorf("without an audit: %d", status)
	}
	if status, _ := r.get(t, admin+"/livez"); status != 200 {
		t.Errorf("livez: %d", status)
	}
	if status, _ := r.get(t, admin+"/secrets"); status != 404 {
		t.Errorf("the admin listener answers other paths: %d", status)
	}
}

// TestNoWeakCiphers: TLS 1.2 is spoken with authenticated ciphers alone.
func TestNoWeakCiphers(t *testing.T) {
	t.Parallel()
	r := start(t, true)
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if s.SupportedVersions[0] == tls.VersionTLS13 {
			continue
		}
		conn, err := tls.Dial("tcp", r.server.Address(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{s.ID}})
		if err != nil {
			continue
		}
		_ = conn.Close()
		if !strings.Contains(s.Name, "GCM") && !strings.Contains(s.Name, "POLY1305") || !strings.Contains(s.Name, "ECDHE") {
			t.Errorf("%s is spoken", s.Name)
		}
	}
}

// TestNoConnectionWaitsForEver: each server of ours bounds headers, bodies,
// answers and idleness. How a bound is kept is net/http's affair.
func TestNoConnectionWaitsForEver(t *testing.T) {
	t.Parallel()
	r := start(t, false)
	for _, s := range httpd.Servers(r.server) {
		if s.ReadHeaderTimeout <= 0 || s.ReadTimeout <= 0 || s.WriteTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 {
			t.Errorf("%s waits without a bound", s.Addr)
		}
	}
}

// TestShutdownDelay: load balancers see that the gateway stops while it still
// serves, and clients are sent away with their answers.
func TestShutdownDelay(t *testing.T) {
	t.Parallel()
	var stopping atomic.Bool
	r := start(t, false, func(o *httpd.Options) { o.ShutdownDelay, o.Stopping = time.Minute, &stopping })
	if stopping.Load() {
		t.Error("it stops from the start")
	}
	waits, goOn := make(chan time.Duration), make(chan struct{})
	httpd.WaitWith(r.server, func(d time.Duration) {
		waits <- d
		<-goOn
	})
	r.stop()
	if d := <-waits; d != time.Minute {
		t.Errorf("waits %v", d)
	}
	if !stopping.Load() {
		t.Error("the dialects are not told")
	}
	if status, body := r.get(t, "http://"+r.server.AdminAddress()+"/readyz"); status != 503 || !strings.Contains(body, `"status":"stopping"`) {
		t.Errorf("/readyz answers %d %s", status, body)
	}
	if status, _ := r.get(t, "http://"+r.server.AdminAddress()+"/livez"); status != 200 {
		t.Errorf("/livez answers %d", status)
	}
	resp, err := r.client.Get("http://" + r.server.Address() + "/still")
	if err != nil || resp.StatusCode != http.StatusOK || !resp.Close {
		t.Errorf("a request meanwhile: %+v %v", resp, err)
	}
	close(goOn)
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil // for the cleanup
}

// TestAdminToken: probes of life ask for nothing and then name nothing; what tells
// more asks for the token.
func TestAdminToken(t *testing.T) {
	t.Parallel()
	token := sha256.Sum256([]byte("for-operators"))
	r := start(t, false, func(o *httpd.Options) { o.Admin.Token, o.Admin.Pprof = &token, true })
	ask := func(path, bearer string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.server.AdminAddress()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if bearer != "" {
			req.Header.Set("Authorization", bearer)
		}
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/symbol"} {
		for _, bearer := range []string{"", "Bearer ", "Bearer for-operator", "for-operators", "Basic for-operators"} {
			if status, body := ask(path, bearer); status != http.StatusUnauthorized || strings.Contains(body, "go_") {
				t.Errorf("%s with %q: %d %s", path, bearer, status, body)
			}
		}
		if status, _ := ask(path, "Bearer for-operators"); status != http.StatusOK {
			t.Errorf("%s with the token: %d", path, status)
		}
	}
	if status, body := ask("/readyz", ""); status != http.StatusOK || strings.Contains(body, "memory") {
		t.Errorf("/readyz without the token: %d %s", status, body)
	}
	if _, body := ask("/readyz", "Bearer for-operators"); !strings.Contains(body, "memory") {
		t.Errorf("/readyz with the token: %s", body)
	}
	if status, _ := ask("/livez", ""); status != http.StatusOK {
		t.Errorf("/livez: %d", status)
	}
}

// TestStopInPeace: a gateway that serves nobody stops without a word.
func TestStopInPeace(t *testing.T) {
	t.Parallel()
	for range 50 {
		var said bytes.Buffer
		r := start(t, false, func(o *httpd.Options) { o.Log = slog.New(slog.NewTextHandler(&said, nil)) })
		r.stop()
		if err := <-r.done; err != nil {
			t.Error(err)
		}
		r.done <- nil // for the cleanup
		if said.Len() > 0 {
			t.Fatal(said.String())
		}
	}
}
