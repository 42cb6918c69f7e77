package fleet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	"github.com/vaultferry/vaultferry/internal/freeport"
	"github.com/vaultferry/vaultferry/internal/pki"
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
	clientKey = "5eedc0de5ca1ab1e0ddba11fee1deadfa11f00d5"
	secretKey = "c0ffee5ca1ab1e0ddba11fee1deadfa11f00d5ee"
	project   = "0123456789abcdef0123456789abcdef"
	gatewayID = "5f3c1d526d3e4b8a9d0e3f1f6a1c2b7d"
	loginHost = "login.vault.localhost"
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
gateway: { id: ` + gatewayID + ` }
server: { address: %s, tls: { cert_file: ../cert.pem, key_file: ../key.pem } }
admin: { address: 127.0.0.1:0 }
control: { socket: "" }
keyring: { file: ../keyring.json }
audit:
  file: audit.jsonl
  witness: { file: witness.json, key_file: ../signing.json }
  witnesses: [ { url: "https://%s", gateway: ` + gatewayID + `, key_file: ../signing.json, ca_file: ../ca.pem } ]
stores:
  - { name: fleet, backend: %s }
dialects:
  azure: { routes: [ { host: fleet.vault.localhost, store: fleet } ] }
  huawei: { routes: [ { project: "` + project + `", name: fleet, store: fleet } ] }
login: { host: ` + loginHost + ` }
callers:
  - name: app
    tokens: [ { env: APP_TOKEN } ]
    client: { id: app, secret: { env: APP_CLIENT } }
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
	pair, err := ca.Issue([]string{storeHost, hwHost, loginHost, "127.0.0.1"}, time.Now())
	must(t, err)
	f.pool = ca.Pool()
	for name, content := range map[string][]byte{"ca.pem": ca.Cert(), "cert.pem": pair.Cert, "key.pem": pair.Key} {
		must(t, os.WriteFile(filepath.Join(f.dir, name), content, 0o600))
	}
	must(t, backup.NewKeyring().Create(filepath.Join(f.dir, "keyring.json")))
	var addresses []string
	for range n {
		addresses = append(addresses, freeport.Keep(t)) // also between two lives
	}
	callers, _ := callersOf()
	for i, address := range addresses {
		g := &process{file: file, wrap: wrap, dir: filepath.Join(f.dir, fmt.Sprint("gw", i)), address: address}
		must(t, os.Mkdir(g.dir, 0o700))
		neighbour := addresses[(i+1)%n] // signs its checkpoints
		must(t, os.WriteFile(g.config(), fmt.Appendf(nil, configuration, g.address, neighbour, store, callers), 0o600))
		f.gateways = append(f.gateways, g)
	}
	keys, err := f.gateways[0].command(t.Context(), "keys", "public", "--signing").Output()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(f.dir, "signing.json"), keys, 0o600))
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
	return f.huaweiBy(t, address, basic.NewCredentialsBuilder().WithAk(id).WithSk(sk))
}

func (f *fleet) huaweiBy(t *testing.T, address string, by *basic.CredentialsBuilder) huaweiClient {
	t.Helper()
	auth, err := by.WithProjectId(project).SafeBuild()
	must(t, err)
	_, port, _ := net.SplitHostPort(address)
	request := new(string)
	c := config.DefaultHttpConfig().WithHttpTransport(f.transport(t, address)).
		WithHttpHandler(httphandler.NewHttpHandler().AddResponseHandler(func(r http.Response) { *request = r.Header.Get("X-Request-Id") }))
	hc, err := csms.CsmsClientBuilder().WithEndpoint("https://" + hwHost + ":" + port).WithCredential(auth).WithHttpConfig(c).SafeBuild()
	must(t, err)
	return huaweiClient{csms.NewCsmsClient(hc), request}
}
