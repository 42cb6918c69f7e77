package attack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/pki"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// binary is the program under attack, built once.
var binary = sync.OnceValues(func() (string, error) {
	if other := os.Getenv("ATTACK_BINARY"); other != "" {
		return other, nil
	}
	file := filepath.Join(scratch, "vaultferry")
	out, err := exec.Command("go", "build", "-o", file, "github.com/vaultferry/vaultferry/cmd/vaultferry").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

var scratch string

func TestMain(m *testing.M) {
	if what := os.Getenv(floodVariable); what != "" {
		if err := runFlood(what); err != nil {
			panic(err)
		}
		return
	}
	var err error
	if scratch, err = os.MkdirTemp("", "attack-"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// target is a gateway that runs. Its caller app may do everything, tenant has
// the secrets that begin with "app-", and guest has nothing.
type target struct {
	address, admin string
	dir            string
	pool           *x509.CertPool
	pid            int
	log            *journal
	command        []string        // the program, and what runs it
	end            func(os.Signal) // ends it, if it runs, and waits for its end
}

// Credentials of the target, all of at least 128 bits but the weak ones.
const (
	appToken    = "3f0c9d1b7a5e4826b1d0f4a7c6e8925d03b7e1aa"
	tenantToken = "51d3a7f0c2b94e6d8f1a0b3c5d7e9f2041627385"
	guestToken  = "9a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d"
	appKey      = "AKAPP"
	appSecret   = "c0ffee5ca1ab1e0ddba11fee1deadfa11f00d5ee"
	tenantKey   = "AKTENANT"
	tenantSK    = "7e4a470fde5ec7ab1e5ca1ab1e0ddba11fee1dea"
	guestKey    = "AKGUEST"
	guestSK     = "5eed0f0a57a7e0fac7deed5c0de5ba5eba11c0de"
	weakKey     = "AKWEAK"
	weakSK      = "password"
	project     = "0123456789abcdef0123456789abcdef"
	second      = "fedcba9876543210fedcba9876543210"
	vaultHost   = "main.vault.localhost"
)

const configuration = `
server: { address: 127.0.0.1:0, tls: { cert_file: cert.pem, key_file: key.pem }{{.Server}} }
admin: { address: 127.0.0.1:0 }
control: { socket: "" }
{{.More}}
stores:
  - { name: main, backend: memory }
  - { name: narrow, backend: memory, memory: { as: csms } }
{{with .Store}}  - {{.}}
{{end}}  - { name: second, backend: memory }
dialects:
  azure: { resource: "https://vault.localhost", routes: [ { host: main.vault.localhost, store: main }, { host: narrow.vault.localhost, store: narrow }{{.Azure}} ] }
  huawei:
    routes:
      - { project: "` + project + `", name: main, store: main }
      - { project: "` + second + `", name: second, store: second }
{{.Huawei}}
login: { host: login.vault.localhost }
callers:
  - name: app
    client: { id: app, secret: { env: APP_SECRET } }
    tokens: [ { env: APP_TOKEN } ]
    access_keys: [ { id: ` + appKey + `, secret: { env: APP_SK } } ]
  - name: weak
    access_keys: [ { id: ` + weakKey + `, secret: { env: WEAK_SK } } ]
  - name: tenant
    tokens: [ { env: TENANT_TOKEN } ]
    access_keys: [ { id: ` + tenantKey + `, secret: { env: TENANT_SK } } ]
  - name: guest
    client: { id: guest, secret: { env: GUEST_SECRET } }
    tokens: [ { env: GUEST_TOKEN } ]
    access_keys: [ { id: ` + guestKey + `, secret: { env: GUEST_SK } } ]
{{.Callers}}
policy:
  - { callers: [app, weak], allow: ["*"], stores: ["*"], names: ["*"], from: [main{{with .Store}}, vault{{end}}] }
  - { callers: [tenant], allow: ["*"], stores: [main], names: ["app-*"] }
{{.Rules}}
`

// extra is what a test adds to the configuration.
type extra struct {
	Server, Azure, Huawei, Store, More, Callers, Rules string
	keys                                               *backup.Keyring // nil: a fresh one
	wrap                                               []string        // a command that runs the gateway
}

func start(t testing.TB, e extra) *target {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the attackers are at several addresses of the loopback network")
	}
	file, err := binary()
	must(t, err)
	x := &target{dir: t.TempDir(), log: &journal{}}
	ca, err := pki.New(time.Now())
	must(t, err)
	pair, err := ca.Issue([]string{vaultHost, "narrow.vault.localhost", "vault.vault.localhost", "csms.vault.localhost", "login.vault.localhost"}, time.Now())
	must(t, err)
	x.pool = ca.Pool()
	var yaml bytes.Buffer
	must(t, template.Must(template.New("").Parse(configuration)).Execute(&yaml, e))
	for name, content := range map[string][]byte{"cert.pem": pair.Cert, "key.pem": pair.Key, "ca.pem": ca.Cert(), "vaultferry.yaml": yaml.Bytes()} {
		must(t, os.WriteFile(filepath.Join(x.dir, name), content, 0o600))
	}
	if e.keys == nil {
		e.keys = backup.NewKeyring()
	}
	must(t, e.keys.Create(filepath.Join(x.dir, "keyring.json")))
	x.command = append(e.wrap, file) //nolint:gocritic // it is the test's own
	x.run(t)
	return x
}

var serving = regexp.MustCompile(`msg=serving address=(\S+) admin=(\S+)`)

func (x *target) run(t testing.TB) {
	t.Helper()
	args := append(slices.Clone(x.command), "serve", "--config", filepath.Join(x.dir, "vaultferry.yaml"))
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
	cmd.Env = x.env()
	pipe, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	x.pid = cmd.Process.Pid
	ready := make(chan []string, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			x.log.add(lines.Text())
			if m := serving.FindStringSubmatch(lines.Text()); m != nil {
				ready <- m
			}
		}
	}()
	ended := false
	x.end = func(by os.Signal) {
		if !ended {
			_ = cmd.Process.Signal(by)
			<-done
			_ = cmd.Wait()
			ended = true
		}
	}
	t.Cleanup(func() {
		x.end(os.Kill)
		if t.Failed() {
			t.Logf("the gateway said:\n%s", x.log.text())
		}
	})
	select { // its listeners may be at other ports now
	case m := <-ready:
		x.address, x.admin = m[1], m[2]
	case <-done:
		t.Fatalf("the gateway does not start:\n%s", x.log.text())
	}
}

func (*target) env() []string {
	return append(os.Environ(), "GOMEMLIMIT=off",
		"APP_TOKEN="+appToken, "VAULT_TOKEN="+vaulttest.RootToken, "TENANT_TOKEN="+tenantToken, "TENANT_SK="+tenantSK, "GUEST_TOKEN="+guestToken, "APP_SK="+appSecret, "GUEST_SK="+guestSK, "WEAK_SK="+weakSK,
		"APP_SECRET="+appSecret+"ab", "GUEST_SECRET="+guestSK+"ab")
}

// journal is what the gateway logs.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines, "\n")
}

// metric is a number that the gateway tells of itself.
func (x *target) metric(t testing.TB, name string) float64 {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+x.admin+"/metrics", http.NoBody)
	must(t, err)
	resp, err := (&http.Client{Timeout: time.Minute}).Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			n, err := strconv.ParseFloat(v, 64)
			must(t, err)
			return n
		}
	}
	t.Skipf("%s is not told on this system", name)
	return 0
}

// memory is the resident memory of the gateway in MB.
func (x *target) memory(t testing.TB) float64 {
	t.Helper()
	return x.metric(t, "process_resident_memory_bytes") / 1e6
}

// from is a client at an address of this machine: on Linux all of 127/8 is.
func (x *target) from(t testing.TB, address string) *http.Client {
	t.Helper()
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: x.pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialerAt(address).DialContext(ctx, network, x.address)
		},
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1000,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 5 * time.Minute} // of a machine that others use, too
}

func dialerAt(address string) *net.Dialer {
	return &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
}

// raw is a connection at which HTTP/1.1 is written by hand.
func (x *target) raw(t testing.TB, address string) net.Conn {
	t.Helper()
	c, err := x.dial(t, address)
	must(t, err)
	return c
}

// dial is raw for whom the gateway may turn away.
func (x *target) dial(t testing.TB, address string) (net.Conn, error) {
	t.Helper()
	d := &tls.Dialer{NetDialer: dialerAt(address), Config: &tls.Config{
		RootCAs: x.pool, ServerName: "csms.vault.localhost", NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
	}}
	c, err := d.DialContext(t.Context(), "tcp", x.address)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// call is one request of Huawei's API, signed as its SDKs do, unless the test
// wants it otherwise.
type call struct {
	method, path, body string
	key, sk            string
	claim              bool // the body's hash is said in a header
	host               bool // the host is signed
	edit               func(*http.Request)
}

func (x *target) request(t testing.TB, c call) *http.Request {
	t.Helper()
	_, port, _ := net.SplitHostPort(x.address)
	path := c.path
	if !strings.HasPrefix(path, "/v") {
		path = "/v1/" + project + path
	}
	r, err := http.NewRequestWithContext(t.Context(), c.method, "https://csms.vault.localhost:"+port+path, strings.NewReader(c.body))
	must(t, err)
	r.Header.Set("User-Agent", "attack")
	r.Header.Set("Content-Type", "application/json")
	if c.claim {
		r.Header.Set(sdkhmac.HeaderSHA256, sumOf(c.body))
	}
	if c.host {
		r.Header.Set("Host", r.Host)
	}
	key, sk := c.key, c.sk
	if key == "" {
		key, sk = appKey, appSecret
	}
	must(t, sdkhmac.Sign(r, []byte(c.body), key, secret.TextValue(sk), time.Now()))
	if c.edit != nil {
		c.edit(r)
	}
	return r
}

func (x *target) send(t testing.TB, from *http.Client, c call) (int, string) {
	t.Helper()
	return do(t, from, x.request(t, c))
}

func do(t testing.TB, from *http.Client, r *http.Request) (int, string) {
	t.Helper()
	resp, err := from.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(b)
}

// azure is one request of Key Vault's API with a token.
func (x *target) azure(t testing.TB, method, path, token string, body io.Reader) *http.Request {
	t.Helper()
	return x.at(t, vaultHost, method, path, token, body)
}

// at is the same at another host.
func (x *target) at(t testing.TB, host, method, path, token string, body io.Reader) *http.Request {
	t.Helper()
	_, port, _ := net.SplitHostPort(x.address)
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+host+":"+port+path+"?api-version=7.4", body)
	must(t, err)
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
