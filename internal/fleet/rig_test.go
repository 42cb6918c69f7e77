package fleet

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/httphandler"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/pki"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// binary is the program, built once.
var binary = sync.OnceValues(func() (string, error) {
	file := filepath.Join(scratch, "vaultferry")
	out, err := exec.Command("go", "build", "-o", file, "github.com/vaultferry/vaultferry/cmd/vaultferry").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

// Of the one caller, and where clients find the store.
const (
	token     = "3f0c9d1b7a5e4826b1d0f4a7c6e8925d03b7e1aa"
	accessKey = "AKFLEET"
	secretKey = "c0ffee5ca1ab1e0ddba11fee1deadfa11f00d5ee"
	project   = "0123456789abcdef0123456789abcdef"
	storeHost = "fleet.vault.localhost"
	hwHost    = "csms.vault.localhost"
)

// tokenOf is of a caller of its own, as keyOf is: what two clients of one caller ask
// for at once is one thing asked for twice.
func tokenOf(i int) string { return token[:len(token)-1] + string(rune('b'+i)) }

func keyOf(i int) (id, secret string) {
	return fmt.Sprint(accessKey, i), secretKey[:len(secretKey)-1] + string(rune('0'+i))
}

// callersOf are the lines of a configuration with a caller for each sharer, and the
// environment with what proves them.
func callersOf() (lines string, env []string) {
	for i := range sharers {
		id, sk := keyOf(i)
		lines += fmt.Sprintf("  - { name: app%[1]d, tokens: [ { env: APP_TOKEN%[1]d } ], access_keys: [ { id: %[2]s, secret: { env: APP_SK%[1]d } } ] }\n", i, id)
		env = append(env, fmt.Sprintf("APP_TOKEN%d=%s", i, tokenOf(i)), fmt.Sprintf("APP_SK%d=%s", i, sk))
	}
	return lines, env
}

const configuration = `
gateway: { id: 5f3c1d526d3e4b8a9d0e3f1f6a1c2b7d }
server: { address: %s, tls: { cert_file: ../cert.pem, key_file: ../key.pem } }
admin: { address: 127.0.0.1:0 }
control: { socket: "" }
keyring: { file: ../keyring.json }
audit: { file: audit.jsonl }
stores:
  - { name: fleet, backend: %s }
dialects:
  azure: { routes: [ { host: fleet.vault.localhost, store: fleet } ] }
  huawei: { routes: [ { project: "` + project + `", name: fleet, store: fleet } ] }
login: { host: login.vault.localhost }
callers:
  - name: app
    tokens: [ { env: APP_TOKEN } ]
    access_keys: [ { id: ` + accessKey + `, secret: { env: APP_SK } } ]
%spolicy:
  - { callers: ["app*", "local:*"], allow: ["*"], stores: ["*"], names: ["*"] }
`

// fleet is gateways over one store, behind one address.
type fleet struct {
	dir      string
	file     string
	pool     *x509.CertPool
	gateways []*process
	balancer *balancer
}

// newFleet starts n gateways over the store, which is as a configuration says.
func newFleet(t testing.TB, n int, store string, wrap ...string) *fleet {
	t.Helper()
	file, err := binary()
	must(t, err)
	f := &fleet{dir: t.TempDir(), file: file}
	ca, err := pki.New(time.Now())
	must(t, err)
	pair, err := ca.Issue([]string{storeHost, hwHost, "login.vault.localhost"}, time.Now())
	must(t, err)
	f.pool = ca.Pool()
	for name, content := range map[string][]byte{"ca.pem": ca.Cert(), "cert.pem": pair.Cert, "key.pem": pair.Key} {
		must(t, os.WriteFile(filepath.Join(f.dir, name), content, 0o600))
	}
	must(t, backup.NewKeyring().Create(filepath.Join(f.dir, "keyring.json")))
	var addresses []string
	callers, _ := callersOf()
	for i := range n {
		g := &process{file: file, wrap: wrap, dir: filepath.Join(f.dir, fmt.Sprint("gw", i)), address: freeAddress(t)}
		must(t, os.Mkdir(g.dir, 0o700))
		must(t, os.WriteFile(g.config(), fmt.Appendf(nil, configuration, g.address, store, callers), 0o600))
		f.gateways = append(f.gateways, g)
		addresses = append(addresses, g.address)
	}
	if strings.HasPrefix(store, "postgres") {
		out, err := f.gateways[0].command(t.Context(), "store", "upgrade", "fleet").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for _, g := range f.gateways {
		must(t, g.start())
		t.Cleanup(g.kill)
	}
	f.balancer = newBalancer(t, addresses)
	return f
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// process is one gateway.
type process struct {
	file, dir, address string
	wrap               []string // a command that runs it
	env                []string // nil: a gateway's
	cmd                *exec.Cmd
	ended              chan struct{}
}

func (g *process) config() string { return filepath.Join(g.dir, "vaultferry.yaml") }

func (g *process) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(append(slices.Clone(g.wrap), g.file), args...)
	if g.env != nil {
		cmd := exec.CommandContext(ctx, args[0], args[1:len(args)-1]...)
		cmd.Env = append(os.Environ(), g.env...)
		return cmd
	}
	args = append(args, "--config", g.config())
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	_, callers := callersOf()
	cmd.Env = append(append(os.Environ(), "APP_TOKEN="+token, "APP_SK="+secretKey, "VAULT_TOKEN="+vaulttest.RootToken), callers...)
	return cmd
}

// start returns when the gateway serves.
func (g *process) start() error {
	g.cmd = g.command(context.Background(), "serve")
	pipe, err := g.cmd.StderrPipe()
	if err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		return err
	}
	serves := make(chan struct{})
	ended := make(chan struct{})
	g.ended = ended
	var said strings.Builder
	go func() {
		defer close(ended)
		serving := false
		for lines := bufio.NewScanner(pipe); lines.Scan(); {
			if !serving {
				said.WriteString(lines.Text() + "\n")
			}
			if !serving && strings.Contains(lines.Text(), "msg=serving") {
				serving = true
				close(serves)
			}
		}
		_ = g.cmd.Wait()
	}()
	select {
	case <-serves:
		return nil
	case <-ended:
		return errors.New("the gateway does not start:\n" + said.String())
	}
}

// kill ends it as a machine that loses its power does.
func (g *process) kill() {
	if g.cmd != nil && g.cmd.Process != nil {
		_ = g.cmd.Process.Kill()
		<-g.ended
	}
}

// balancer hands connections out in turn, and passes on bytes. A gateway that does
// not listen is passed over.
type balancer struct {
	address string
	to      []string

	mu   sync.Mutex
	next int
}

func newBalancer(t testing.TB, to []string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	b := &balancer{address: l.Addr().String(), to: to}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.pass(c)
		}
	}()
	return b
}

func (b *balancer) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	for range 2 * len(b.to) {
		b.mu.Lock()
		b.next++
		to := b.to[b.next%len(b.to)]
		b.mu.Unlock()
		server, err := net.Dial("tcp", to)
		if err != nil {
			continue
		}
		defer func() { _ = server.Close() }()
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		}()
		_, _ = io.Copy(client, server)
		return
	}
}

// transport leads every host to one address. Each request has a connection of its
// own, and so meets another gateway.
func (f *fleet) transport(t testing.TB, address string) *http.Transport {
	t.Helper()
	tr := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: f.pool},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// steady is a transport that keeps its connections.
func (f *fleet) steady(t testing.TB, address string) *http.Transport {
	t.Helper()
	tr := f.transport(t, address)
	tr.DisableKeepAlives, tr.MaxIdleConnsPerHost = false, 64
	return tr
}

type fixedToken string

func (s fixedToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(s), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// azure is the vendor's client, with the retries that it has by itself.
func (f *fleet) azure(t *testing.T, address string) *azsecrets.Client {
	t.Helper()
	return f.azureAs(t, address, token)
}

func (f *fleet) azureAs(t *testing.T, address, token string) *azsecrets.Client {
	t.Helper()
	return f.azureOver(t, address, token, f.transport(t, address))
}

func (f *fleet) azureOver(t *testing.T, address, token string, transport *http.Transport) *azsecrets.Client {
	t.Helper()
	_, port, _ := net.SplitHostPort(address)
	c, err := azsecrets.NewClient("https://"+storeHost+":"+port, fixedToken(token), &azsecrets.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: transport}, PerRetryPolicies: []policy.Policy{triesPolicy{}}},
	})
	must(t, err)
	return c
}

// triesKey finds the counter of countTries.
type triesKey struct{}

// countTries counts how often the vendor's client sends the request of one call.
func countTries(ctx context.Context) (context.Context, *int) {
	n := new(int)
	return context.WithValue(ctx, triesKey{}, n), n
}

type triesPolicy struct{}

// Do implements policy.Policy.
func (triesPolicy) Do(r *policy.Request) (*http.Response, error) {
	if n, ok := r.Raw().Context().Value(triesKey{}).(*int); ok {
		*n++
	}
	return r.Next()
}

// huawei is the vendor's client, which tries once.
func (f *fleet) huawei(t *testing.T, address string) *csms.CsmsClient {
	t.Helper()
	return f.huaweiAs(t, address, accessKey, secretKey).c
}

func (f *fleet) huaweiAs(t *testing.T, address, id, sk string) huaweiClient {
	t.Helper()
	auth, err := basic.NewCredentialsBuilder().WithAk(id).WithSk(sk).WithProjectId(project).SafeBuild()
	must(t, err)
	_, port, _ := net.SplitHostPort(address)
	request := new(string)
	c := config.DefaultHttpConfig().WithHttpTransport(f.transport(t, address)).
		WithHttpHandler(httphandler.NewHttpHandler().AddResponseHandler(func(r http.Response) { *request = r.Header.Get("X-Request-Id") }))
	hc, err := csms.CsmsClientBuilder().WithEndpoint("https://" + hwHost + ":" + port).WithCredential(auth).WithHttpConfig(c).SafeBuild()
	must(t, err)
	return huaweiClient{csms.NewCsmsClient(hc), request}
}
