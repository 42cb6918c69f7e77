package e2e

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/gateway/login"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/pki"
	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// Where honest clients of a bounded credential are, and everybody else.
const (
	nearby   = "127.0.0.2"
	faraway  = "127.0.0.1"
	endpoint = "/adfs/oauth2/v2.0/token"
	spiffeID = "spiffe://corp.example/payments/app"
)

// bounded is a gateway whose callers have credentials of every kind that have
// ended, or are for use from nearby alone.
type bounded struct {
	*gatewaytest.Gateway
	ahead atomic.Int64 // nanoseconds that the gateway's clock is
	ca    *pki.Authority
	soon  time.Time // when what is called so ends
}

// text is a secret that nobody guesses, the same in each run.
func text(name string) string {
	sum := sha256.Sum256([]byte("bounds " + name))
	return fmt.Sprintf("%x", sum[:20])
}

func newBounded(t *testing.T) *bounded {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("clients are at two addresses of the loopback network")
	}
	x := &bounded{}
	var err error
	if x.ca, err = pki.New(time.Now()); err != nil {
		t.Fatal(err)
	}
	ended := access.Bounds{Expires: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)}
	near := access.Bounds{Addresses: []netip.Prefix{netip.MustParsePrefix(nearby + "/32")}}
	both := access.Bounds{Expires: ended.Expires, Addresses: near.Addresses}
	x.soon = time.Now().Add(30 * time.Minute).UTC().Truncate(time.Second)
	soon := access.Bounds{Expires: x.soon}
	o := gatewaytest.Options{
		Resource: ownAudience, ClientCAs: x.ca.Pool(), Now: func() time.Time { return time.Now().Add(time.Duration(x.ahead.Load())) },
		Rates: map[string]access.Rate{"busy": {Requests: 1, Per: time.Hour, Burst: 1}},
		Credentials: func(c *access.Credentials) error {
			var errs []error
			for name, b := range map[string]access.Bounds{"ended": ended, "near": near, "both": both} {
				errs = append(errs,
					c.AddToken(sha256.Sum256([]byte(text(name))), access.Credential{Caller: "app", Name: name, Bounds: b}),
					c.AddAccessKey("AK"+strings.ToUpper(name), secret.TextValue(text(name)), access.Credential{Caller: "app", Bounds: b}),
					c.AddCertificate(access.Subject{DNS: name + ".corp.example"}, access.Credential{Caller: "app", Bounds: b}))
			}
			return errors.Join(append(errs,
				c.AddToken(sha256.Sum256([]byte(text("other"))), access.Credential{Caller: "other", Name: "other"}),
				c.AddToken(sha256.Sum256([]byte(text("busy"))), access.Credential{Caller: "busy", Name: "busy"}),
				c.AddAccessKey("AKOTHER", secret.TextValue(text("other")), access.Credential{Caller: "other"}),
				c.AddAccessKey("AKWEAK", secret.TextValue("password"), access.Credential{Caller: "app", Bounds: near}),
				c.AddCertificate(access.Subject{URI: spiffeID}, access.Credential{Caller: "app", Name: "spiffe"}),
				c.AddCertificate(access.Subject{DNS: "other.corp.example"}, access.Credential{Caller: "other"}))...)
		},
	}
	for name, b := range map[string]access.Bounds{"ended": ended, "near": near, "both": both, "soon": soon, "busy": {}} {
		sum, caller := sha256.Sum256([]byte(text(name))), "app"
		if name == "busy" {
			caller = "busy"
		}
		o.Clients = append(o.Clients, login.Client{ID: name, Secret: sum, Strong: true, Caller: caller, Bounds: b})
		o.Users = append(o.Users, iam.User{Name: name, Password: sum, Strong: true, Caller: caller, Bounds: b})
	}
	x.Gateway = gatewaytest.New(t, o)
	return x
}

// at is a client at an address, with a certificate for the names, if there are
// any. It keeps its connection.
func (x *bounded) at(t *testing.T, address string, names ...string) *http.Client {
	t.Helper()
	transport := x.Client.Transport.(*http.Transport).Clone() //nolint:forcetypeassert // it is
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		return d.DialContext(ctx, network, x.Address)
	}
	if names != nil {
		pair, err := x.ca.IssueClient(names, time.Now().Add(-time.Minute), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		cert, err := pair.TLS()
		if err != nil {
			t.Fatal(err)
		}
		transport.TLSClientConfig.Certificates = []tls.Certificate{cert}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func newRequest(t *testing.T, method, target, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	return r
}

func (x *bounded) azure(t *testing.T, token string) *http.Request {
	t.Helper()
	r := newRequest(t, http.MethodGet, x.VaultURL("main")+"/secrets?api-version=7.4", "")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

func (x *bounded) huawei(t *testing.T, token string) *http.Request {
	t.Helper()
	r := newRequest(t, http.MethodGet, x.Endpoint()+"/v1/"+gatewaytest.Project("main")+"/secrets", "")
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	return r
}

func (x *bounded) signed(t *testing.T, id, sk string) *http.Request {
	t.Helper()
	r := x.huawei(t, "")
	if err := sdkhmac.Sign(r, nil, id, secret.TextValue(sk), time.Now().Add(time.Duration(x.ahead.Load()))); err != nil {
		t.Fatal(err)
	}
	return r
}

func (x *bounded) login(t *testing.T, client, password string) *http.Request {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {password}, "scope": {ownAudience + "/.default"}}
	r := newRequest(t, http.MethodPost, x.LoginURL()+endpoint, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// iam is a login to IAM; identity is what stands in it.
func (x *bounded) iam(t *testing.T, path, identity string) *http.Request {
	t.Helper()
	r := newRequest(t, http.MethodPost, x.Endpoint()+path, `{"auth":{"identity":{`+identity+`},"scope":{"project":{"id":"`+gatewaytest.Project("main")+`"}}}}`)
	r.Header.Set("Content-Type", "application/json")
	return r
}

func password(user, word string) string {
	return fmt.Sprintf(`"methods":["password"],"password":{"user":{"name":%q,"password":%q}}`, user, word)
}

func keyPair(id, sk string) string {
	return fmt.Sprintf(`"methods":["hw_ak_sk"],"hw_ak_sk":{"access":{"key":%q},"secret":{"key":%q}}`, id, sk)
}

func byToken(token string) string {
	return fmt.Sprintf(`"methods":["token"],"token":{"id":%q}`, token)
}

const (
	iamTokens = "/v3/auth/tokens"
	iamKeys   = "/v3.0/OS-CREDENTIAL/securitytokens"
)

// answered sends a request that must be answered, and reads what it is given.
func answered(t *testing.T, client *http.Client, r *http.Request, into any) http.Header {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= 300 || into != nil && json.NewDecoder(resp.Body).Decode(into) != nil {
		t.Fatalf("%s: %d", r.URL.Path, resp.StatusCode)
	}
	return resp.Header
}

// issued is what was issued nearby from a client that is for use there.
type issued struct {
	login, iam              string
	access, sk, securityTok string
}

func (x *bounded) issue(t *testing.T, client string) (i issued) {
	t.Helper()
	near := x.at(t, nearby)
	var token struct {
		Token string `json:"access_token"`
	}
	answered(t, near, x.login(t, client, text(client)), &token)
	i.login = token.Token
	i.iam = answered(t, near, x.iam(t, iamTokens, password(client, text(client))), nil).Get("X-Subject-Token")
	var made struct {
		Credential struct{ Access, Secret, SecurityToken string }
	}
	answered(t, near, x.iam(t, iamKeys, byToken(i.iam)), &made)
	i.access, i.sk, i.securityTok = made.Credential.Access, made.Credential.Secret, made.Credential.SecurityToken
	answered(t, near, x.azure(t, i.login), nil)
	answered(t, near, x.huawei(t, i.login), nil)
	answered(t, near, x.huawei(t, i.iam), nil)
	answered(t, near, x.temporary(t, i), nil)
	return i
}

func (x *bounded) temporary(t *testing.T, i issued) *http.Request {
	t.Helper()
	r := x.signed(t, i.access, i.sk)
	r.Header.Set("X-Security-Token", i.securityTok)
	return r
}

// TestRefusedBounds: what each dialect and each login says of credentials that have
// ended, that come from elsewhere, or together with a certificate that is not
// theirs; and what the audit says.
func TestRefusedBounds(t *testing.T) {
	t.Parallel()
	x := newBounded(t)
	near, soon := x.issue(t, "near"), x.issue(t, "soon")
	rows := append(x.boundRows(t, near), x.certificateRows(t)...)
	rows = append(rows, x.limitRows(t)...)
	rows = append(rows, x.laterRows(t, soon)...)
	var hidden []string
	for _, name := range []string{"ended", "near", "both", "other", "busy", "soon"} {
		hidden = append(hidden, text(name))
	}
	hidden = append(hidden, near.login, near.iam, near.sk, nearby, "corp.example", spiffeID, "of app", "rate_limit of")
	varying := strings.NewReplacer(
		near.access, "TEMPORARY", soon.access, "TEMPORARY", x.soon.Format(time.RFC3339), "LATER",
		access.DigestedCredential("iam-token", near.iam), "iam-token:DIGEST", access.DigestedCredential("iam-token", soon.iam), "iam-token:DIGEST",
	)
	checkRefused(t, x.Gateway, "bounds.txt", rows, hidden, varying)
	if len(rows) < 45 {
		t.Errorf("only %d requests", len(rows))
	}
}

// answerOf is all of an answer that a client is told, but for ids and times.
func answerOf(t *testing.T, client *http.Client, r *http.Request) string {
	t.Helper()
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	code, message := saidOf(body)
	return fmt.Sprint(resp.StatusCode, code, steady(message), resp.Header.Values("Retry-After"), resp.Header.Values("WWW-Authenticate"))
}

// inOrder has rows in the order of their names.
func inOrder(rows []refusedRow) []refusedRow {
	slices.SortStableFunc(rows, func(a, b refusedRow) int { return strings.Compare(a.name, b.name) })
	return rows
}
