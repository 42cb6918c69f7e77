// Package acme tests certificates of an ACME server with Pebble, the one that Let's
// Encrypt tests clients with. It stands in a module of its own, so that nobody else
// needs Pebble.
package acme

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// patience is generous: the machine may be busy.
const patience = 5 * time.Minute

// nameServer answers each name with this machine.
func nameServer(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1),
			})
		}
		_ = w.WriteMsg(m)
	})}
	go func() { _ = s.ActivateAndServe() }()
	t.Cleanup(func() { _ = s.Shutdown() })
	return ln.Addr().String()
}

// pebble is an ACME server that connects to tlsPort of each host.
func pebble(t *testing.T, dir string, tlsPort int) (directory string, issuer *x509.CertPool) {
	t.Helper()
	// Without these Pebble waits at random, and refuses requests at random.
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	authority := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
	front := wfe.New(quiet, store, va.New(quiet, 0, tlsPort, false, nameServer(t), store), authority, []string{"pebble.test"}, false, false, 1, 1)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	write(t, filepath.Join(dir, "acme-ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	issuer = x509.NewCertPool()
	issuer.AddCert(authority.GetRootCert(0).Cert)
	return server.URL + wfe.DirectoryPath, issuer
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// gateway is the program itself.
type gateway struct {
	t     *testing.T
	exe   string
	dir   string
	lines chan string
	stop  func()
}

func build(t *testing.T, dir string) string {
	t.Helper()
	exe := filepath.Join(dir, "vaultferry")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", exe, "./cmd/vaultferry")
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return exe
}

func (g *gateway) start(port int) {
	g.t.Helper()
	cmd := exec.CommandContext(context.Background(), g.exe, "serve", "--address", fmt.Sprintf("127.0.0.1:%d", port))
	cmd.Dir, cmd.Env = g.dir, append(os.Environ(), "VAULTFERRY_ADMIN_ADDRESS=127.0.0.1:0")
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		g.t.Fatal(err)
	}
	lines := make(chan string, 1000)
	g.lines = lines
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(said); s.Scan(); {
			lines <- s.Text()
		}
	}()
	g.stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
}

// says waits for a line.
func (g *gateway) says(want string) {
	g.t.Helper()
	var said []string
	for end := time.After(patience); ; {
		select {
		case line, ok := <-g.lines:
			said = append(said, line)
			if regexp.MustCompile(want).MatchString(line) {
				return
			}
			if !ok {
				g.t.Fatalf("the gateway ended: %s", strings.Join(said, "\n"))
			}
		case <-end:
			g.t.Fatalf("nothing says %s: %s", want, strings.Join(said, "\n"))
		}
	}
}

func (g *gateway) run(args ...string) string {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), g.exe, args...)
	cmd.Dir = g.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

func (g *gateway) configure(directory string, hosts ...string) {
	text := fmt.Sprintf(`server: { tls: { acme: { directory: %q, accept_terms: true, ca_file: acme-ca.pem, email: ops@example.com } }, client_ca_file: acme-ca.pem }
stores: [ { name: main, backend: memory } ]
dialects: { azure: { routes: [ { host: "%s", store: main } ] } }
callers: [ { name: app, tokens: [ { sha256: "55aae3e2e526fb53d6350630db9ef2d5f11db0b6ff728852353a0b46351189b3" } ] } ]
policy: [ { callers: [app], allow: ["*"], stores: [main], names: ["*"] } ]
`, directory, strings.Join(hosts, `", store: main }, { host: "`))
	write(g.t, filepath.Join(g.dir, "vaultferry.yaml"), text)
}

// certificate is what a client is shown for a host; it must trust it.
func certificate(t *testing.T, port int, issuer *x509.CertPool, host string) (*x509.Certificate, error) {
	t.Helper()
	d := tls.Dialer{Config: &tls.Config{RootCAs: issuer, ServerName: host, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}}}
	conn, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0], nil
}

// TestCertificates: each host of the routes gets one, though clients need one, too; a
// reload gets one for a host that came; others get none; a restart goes on with
// what there is.
func TestCertificates(t *testing.T) {
	dir := t.TempDir()
	exe := build(t, dir) // which takes its time: nobody may take the port meanwhile
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := free.Addr().(*net.TCPAddr).Port
	_ = free.Close()
	directory, issuer := pebble(t, dir, port)
	g := &gateway{t: t, exe: exe, dir: dir}
	g.run("keys", "new", "--output-file", "keyring.json")
	g.configure(directory, "one.vault.example.com")
	if said := g.run("check"); !strings.Contains(said, "by ACME for one.vault.example.com") {
		t.Errorf("check says %s", said)
	}
	g.start(port)
	g.says(`there is a certificate for a host.*one.vault.example.com`)
	first, err := certificate(t, port, issuer, "one.vault.example.com")
	if err != nil {
		t.Fatal(err)
	}

	g.configure(directory, "one.vault.example.com", "two.vault.example.com")
	if said := g.run("reload"); !strings.Contains(said, "certificates") {
		t.Errorf("the reload says %s", said)
	}
	g.says(`there is a certificate for a host.*two.vault.example.com`)
	if _, err := certificate(t, port, issuer, "two.vault.example.com"); err != nil {
		t.Error(err)
	}
	if _, err := certificate(t, port, issuer, "three.vault.example.com"); err == nil {
		t.Error("a host that is none of the gateway's has a certificate")
	}

	// No request comes over a connection that proves a host.
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, ServerName: "one.vault.example.com", MinVersion: tls.VersionTLS12, NextProtos: []string{"acme-tls/1"}}}
	if conn, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
		_, _ = io.WriteString(conn, "GET /secrets HTTP/1.1\r\nHost: one.vault.example.com\r\n\r\n")
		if b, _ := io.ReadAll(conn); len(b) > 0 {
			t.Errorf("it answers %q", b)
		}
		_ = conn.Close()
	}

	g.stop()
	g.start(port)
	defer g.stop()
	g.says(`there is a certificate for a host.*one.vault.example.com`)
	again, err := certificate(t, port, issuer, "one.vault.example.com")
	if err != nil || !again.Equal(first) {
		t.Errorf("a restart gets another certificate: %v", err)
	}
	for _, name := range []string{"acme", "acme/acme_account+key", "acme/one.vault.example.com"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
