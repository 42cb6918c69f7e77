// Package gatewaytest starts the real gateway for tests: Service, dialects and
// TLS on a loopback port, with a CA of its own.
package gatewaytest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/dialects/huawei"
	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/gateway/login"
	"github.com/vaultferry/vaultferry/secret"
)

// Options say what differs from the usual gateway. The zero Options have one
// memory store, "main".
type Options struct {
	Stores   []gateway.Store
	Policy   []access.Rule   // default: every caller may do everything
	Keyring  *backup.Keyring // default: a new one
	ID       string          // default: the keyring's
	Now      func() time.Time
	Resource string // of the azure challenge
	// Authority is where the challenge sends clients to log in; default: the login.
	Authority string
	Azure     []azure.Route // beside one for each store
	MaxBlobs  int
	Archive   archive.Dir
	// ClientID and ClientSecret at the login; default: new ones.
	ClientID, ClientSecret string
	// Issuers are those whose tokens prove callers; Clients log in beside the tester.
	Issuers issuer.Options
	Clients []login.Client
	// Users log in to IAM beside the tester. Credentials adds to those of callers.
	Users       []iam.User
	Credentials func(*access.Credentials) error
	// ClientCAs are the authorities of clients' certificates, which the listener
	// asks for then.
	ClientCAs *x509.CertPool
	Rates     map[string]access.Rate
	SecretKey string // of the access key; default: a new one, which nobody guesses
	// AuditLog takes the place of Audit, which stays empty then.
	AuditLog *audit.Log
	// Wrap stands before what the listener serves.
	Wrap func(http.Handler) http.Handler
	// Log takes what the gateway logs; nil: it is thrown away.
	Log *slog.Logger
}

// Gateway is a running gateway. It stops with its test.
type Gateway struct {
	Service *gateway.Service
	Events  *events.Service
	Keyring *backup.Keyring
	Audit   *Audit
	Address string         // of the listener
	CA      *x509.CertPool // that signed its certificate
	CAPEM   []byte         // the same, as a file has it
	TLS     *tls.Config    // of the listener, for what stands before it
	Handler http.Handler   // what the listener serves
	// Client trusts CA and finds every host name at Address. It does not
	// follow the environment's proxies.
	Client *http.Client

	// Credentials of the caller "tester".
	Token     string
	AccessKey string
	SecretKey string

	ClientID     string // at the login
	ClientSecret string

	IdentityHeader string       // of its managed identity, whose id is ClientID
	identity       http.Handler // the endpoint of that
}

// Caller is the name of the caller that holds the Gateway's credentials.
const Caller = "tester"

// New starts a gateway.
func New(t testing.TB, o Options) *Gateway {
	t.Helper()
	g := &Gateway{
		Keyring: o.Keyring, Audit: &Audit{},
		Token: uuid.NewString(), AccessKey: "AK" + uuid.NewString()[:18], SecretKey: cmp.Or(o.SecretKey, uuid.NewString()),
	}
	if g.Keyring == nil {
		g.Keyring = NewKeyring(t)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Policy == nil {
		o.Policy = []access.Rule{{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}}}
	}
	if o.Stores == nil {
		o.Stores = []gateway.Store{{Name: "main", Kind: "memory", Backend: memory.New(memory.Options{Now: o.Now})}}
	}
	g.start(t, o)
	return g
}

// MemoryStores are empty stores in memory, by name.
func MemoryStores(names ...string) (stores []gateway.Store) {
	for _, name := range names {
		stores = append(stores, gateway.Store{Name: name, Kind: "memory", Backend: memory.New(memory.Options{})})
	}
	return stores
}

// NewKeyring returns a keyring that seals and opens.
func NewKeyring(t testing.TB) *backup.Keyring {
	t.Helper()
	k, err := backup.NewKeyringOf(backup.AlgA256KW, backup.AlgEdDSA)
	must(t, err)
	return k
}

func (g *Gateway) start(t testing.TB, o Options) {
	t.Helper()
	log := o.AuditLog
	if log == nil {
		log = NewAuditLog(g.Audit, o.Now)
	}
	t.Cleanup(func() { _ = log.Close() })
	recorder := events.NewRecorder()
	service, err := gateway.New(gateway.Options{
		ID: o.ID, Stores: o.Stores, Policy: access.NewPolicy(o.Policy), Keyring: g.Keyring,
		Audit: log, Log: o.Log, Now: o.Now, MaxBlobs: o.MaxBlobs, Archive: o.Archive,
		Writes: recorder,
	})
	must(t, err)
	t.Cleanup(func() { _ = service.Close() })
	g.Service, g.Events = service, events.New(service, recorder)
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	for _, d := range g.dialects(t, o) {
		d.Mount(r)
	}
	g.Handler = r
	if o.Wrap != nil {
		g.Handler = o.Wrap(r)
	}
	g.listen(t, o.ClientCAs)
}

func (g *Gateway) dialects(t testing.TB, o Options) []dialects.Dialect {
	t.Helper()
	credentials := access.NewCredentials()
	must(t, credentials.AddToken(sha256.Sum256([]byte(g.Token)), access.Credential{Caller: Caller}))
	must(t, credentials.AddAccessKey(g.AccessKey, secret.TextValue(g.SecretKey), access.Credential{Caller: Caller}))
	if o.Credentials != nil {
		must(t, o.Credentials(credentials))
	}
	if o.ClientCAs != nil {
		credentials.TrustClients(o.ClientCAs, false)
	}
	throttle := access.NewThrottle(o.Now)
	limits := wire.NewLimits(wire.DefaultMaxBlob, cmp.Or(o.MaxBlobs, gateway.DefaultMaxBlobs))
	limits.Rates = access.NewRates(o.Now, nil)
	limits.Rates.Use(o.Rates)
	o.Issuers.Now, o.Issuers.Log = o.Now, o.Log
	issuers, err := issuer.New(o.Issuers)
	must(t, err)
	credentials.Trust(issuers.Bearer)
	oauth := g.newLogin(t, o, credentials, throttle, limits, issuers) // it makes the client that IAM knows as a user
	az := azure.Options{
		Service: g.Service, Credentials: credentials, Throttle: throttle, Resource: o.Resource,
		Authority: cmp.Or(o.Authority, "https://"+LoginHost+"/adfs"), Login: LoginHost, Now: o.Now, Limits: limits,
	}
	users, err := iam.New(iam.Options{
		Keyring: g.Keyring, Credentials: credentials, Domain: Domain, Now: o.Now,
		Users: append([]iam.User{{Name: g.ClientID, Password: sha256.Sum256([]byte(g.ClientSecret)), Strong: access.Strong([]byte(g.ClientSecret)), Caller: Caller}}, o.Users...),
	})
	must(t, err)
	hw := huawei.Options{Service: g.Service, Events: g.Events, Credentials: credentials, IAM: users, Throttle: throttle, Limits: limits, Now: o.Now}
	for _, s := range o.Stores {
		az.Routes = append(az.Routes, azure.Route{Host: host(s.Name), Store: s.Name})
		hw.Routes = append(hw.Routes, huawei.Route{Project: Project(s.Name), Name: Region(s.Name), Store: s.Name})
	}
	az.Routes = append(az.Routes, o.Azure...)
	a, err := azure.New(az)
	must(t, err)
	h, err := huawei.New(hw)
	must(t, err)
	return []dialects.Dialect{oauth, h, a} // azure takes what is left
}

func (g *Gateway) listen(t testing.TB, clients *x509.CertPool) {
	t.Helper()
	pool, caPEM, config := newTLS(t)
	if clients != nil {
		config.ClientCAs, config.ClientAuth = clients, tls.VerifyClientCertIfGiven
	}
	srv := httptest.NewUnstartedServer(g.Handler)
	srv.TLS, srv.EnableHTTP2 = config, true
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	g.CA, g.CAPEM, g.TLS, g.Address = pool, caPEM, config, srv.Listener.Addr().String()
	g.newClient(t)
}

func (g *Gateway) newClient(t testing.TB) {
	t.Helper()
	transport := &http.Transport{
		TLSClientConfig:   clientTLS(g.CA),
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, g.Address)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	g.Client = &http.Client{Transport: transport}
}

func host(store string) string { return store + ".vault.localhost" }

// VaultURL is where Azure's clients find the store. Its port is the real one.
func (g *Gateway) VaultURL(store string) string {
	_, port, _ := net.SplitHostPort(g.Address)
	return "https://" + host(store) + ":" + port
}

// Endpoint is where Huawei's clients find the gateway.
func (g *Gateway) Endpoint() string { return g.VaultURL("csms") }

// Domain is the name of the account that IAM's users belong to.
const Domain = "acct"

// Region is the name under which Huawei's clients look up the project of a
// store.
func Region(store string) string { return "xx-" + store + "-1" }

// Project is the Huawei project that leads to the store.
func Project(store string) string {
	sum := sha256.Sum256([]byte(store))
	return hex.EncodeToString(sum[:16])
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
