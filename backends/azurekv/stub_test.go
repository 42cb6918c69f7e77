package azurekv

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// stub is a vault that answers as handle says, behind the real challenge.
func stub(t testing.TB, host, resource string, handle http.HandlerFunc, change ...func(*Config)) *Backend {
	t.Helper()
	return serve(t, []string{host}, challenged(resource, handle), change...)
}

func challenged(resource string, handle http.HandlerFunc) http.HandlerFunc {
	challenge := reply(http.StatusUnauthorized, `{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}`,
		`WWW-Authenticate: Bearer authorization="https://login.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47", resource="`+resource+`"`)
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.Header.Get("Authorization") == "" {
			challenge(w, r)
			return
		}
		handle(w, r)
	}
}

// serve listens as the hosts, and opens the first of them as a vault.
func serve(t testing.TB, hosts []string, handle http.HandlerFunc, change ...func(*Config)) *Backend {
	t.Helper()
	return serveOn(t, httptest.NewUnstartedServer(handle), nil, hosts, change...)
}

// serveOn is serve by a server and, where there is one, on a network in memory.
func serveOn(t testing.TB, srv *httptest.Server, in *memoryNet, hosts []string, change ...func(*Config)) *Backend {
	t.Helper()
	cert, ca := certify(t, hosts...)
	dial := leadTo(srv.Listener.Addr().String())
	if in != nil {
		_ = srv.Listener.Close()
		srv.Listener, dial = in, in.dial
	}
	srv.EnableHTTP2 = in == nil // connections of HTTP/2 share channels, also of two bubbles
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := &Config{VaultURL: "https://" + hosts[0], CAFile: ca, Dial: dial}
	c.SetDefaults()
	c.Credential = Credential{Kind: "token", Token: secret.TextValue("stub-token")}
	for _, f := range change {
		f(c)
	}
	b, err := New(backends.Env{Store: "test", Now: time.Now}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// memoryNet is a network with one server, which a bubble of synctest can hold: there
// waiting takes no time, and no machine is too slow for a patience.
type memoryNet struct {
	conns chan net.Conn
	ended chan struct{}
	once  sync.Once
}

func newMemoryNet() *memoryNet {
	return &memoryNet{conns: make(chan net.Conn), ended: make(chan struct{})}
}

func (n *memoryNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.ended:
		return nil, net.ErrClosed
	}
}

func (n *memoryNet) Close() error {
	n.once.Do(func() { close(n.ended) })
	return nil
}

func (n *memoryNet) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 443} }

func (n *memoryNet) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		return client, nil
	case <-n.ended:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// certify makes a certificate that signs itself, and its file.
func certify(t testing.TB, hosts ...string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, leaf, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// exchange is one that was recorded from the real service.
type exchange struct {
	ID     int
	Method string
	Path   string
	Query  string
	Status int
	Body   json.RawMessage
}

// key leaves out what the client of today sends otherwise.
func key(method, path, query string) string {
	q, _ := url.ParseQuery(query)
	for _, k := range slices.Collect(maps.Keys(q)) {
		if k != "$skiptoken" {
			q.Del(k)
		}
	}
	return method + " " + path + "?" + q.Encode()
}

// exchanges are all recordings by their number.
func exchanges(t *testing.T) map[int]exchange {
	t.Helper()
	all := map[int]exchange{}
	f, err := os.Open(filepath.Join("testdata", "recorded.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e exchange
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		all[e.ID] = e
	}
	return all
}

// recorded is a vault that plays back the exchanges with these numbers. A
// change gets the body of an exchange that answers another request than it
// was recorded with.
func recorded(t *testing.T, host, resource string, ids ...int) (*Backend, func(method, path string, id int)) {
	t.Helper()
	all := exchanges(t)
	answers := map[string]exchange{}
	for _, id := range ids {
		e, ok := all[id]
		if !ok {
			t.Fatalf("exchange %d is not recorded", id)
		}
		answers[key(e.Method, e.Path, e.Query)] = e
	}
	b := stub(t, host, resource, func(w http.ResponseWriter, r *http.Request) {
		e, ok := answers[key(r.Method, r.URL.Path, r.URL.RawQuery)]
		if !ok {
			t.Errorf("%s %s was not recorded", r.Method, r.URL.Path)
			w.WriteHeader(http.StatusTeapot)
			return
		}
		reply(e.Status, string(e.Body))(w, r)
	})
	return b, func(method, path string, id int) { answers[key(method, path, "")] = all[id] }
}

// reply is a handler with one answer.
func reply(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		for _, h := range header {
			k, v, _ := strings.Cut(h, ": ")
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func wantKind(t *testing.T, what string, err error, kind secret.Kind) {
	t.Helper()
	if err == nil || secret.KindOf(err) != kind {
		t.Errorf("%s: %v, want %q", what, err, kind.Error())
	}
}
