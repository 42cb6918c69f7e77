// Package login hands out tokens where there is no cloud: as much of an
// identity provider as the vendors' credentials ask for when their tenant is
// "adfs", which is the one that none of them looks up at Microsoft first.
//
// Tokens are JWTs, signed with the keyring's signing key. Every gateway with
// the same keyring, callers and login host accepts them, before and after a
// restart; none remembers them.
package login

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/gateway/token"
)

// Tenant is the first segment of every path here, and the tenant that clients
// must be given.
const Tenant = "adfs"

// Via is what the audit calls this way in.
const Via = "login"

// Client is who logs in: by a secret, by an assertion of its own under one of its
// keys, or by a token of an issuer's that is its caller's.
type Client struct {
	ID     string
	Secret [sha256.Size]byte // the secret's hash; zero: it has none
	Strong bool              // the secret is: see access.Strong
	Keys   []issuer.ClientKey
	Caller string
	Bounds access.Bounds
}

// Options make a Login. Service, Keyring, Host and Throttle are needed.
type Options struct {
	Service *gateway.Service // writes the audit
	// Credentials know the certificates of clients. Nil: nobody has one.
	Credentials *access.Credentials
	Keyring     *backup.Keyring // must hold a key that signs
	Host        string          // where this is served, without a port
	Clients     []Client
	// Identities are for IdentityEndpoint.
	Identities []Identity
	Throttle   *access.Throttle
	Issuers    *issuer.Set // whose tokens are assertions; default: none's
	// Resource reports whether a token for the resource, a URL, may be asked
	// for here. Nil: for none but https://Host.
	Resource func(string) bool
	Limits   *wire.Limits     // of the gateway; default: of this login alone
	Log      *slog.Logger     // default: none
	Now      func() time.Time // default: time.Now
}

// Login serves one host. It implements dialects.Dialect, and Verify proves
// what it issued. It is safe for concurrent use.
type Login struct {
	service  *gateway.Service
	host     string
	clients  map[string]Client
	prints   map[string][]string // of what proves the clients, under each key that signs or did
	keyring  *backup.Keyring
	issuers  *issuer.Set
	creds    *access.Credentials
	headers  map[[sha256.Size]byte]*Identity // by the hash of their header
	managed  map[string]*Identity            // by id
	limits   *wire.Limits
	throttle *access.Throttle
	resource func(string) bool
	log      *slog.Logger
	now      func() time.Time
	tokens   *token.Minter[claims]
	router   *mux.Router
}

// New returns a login, or every problem of its options at once.
func New(o Options) (*Login, error) {
	l := &Login{
		service: o.Service, host: strings.ToLower(o.Host), clients: map[string]Client{}, prints: map[string][]string{},
		throttle: o.Throttle, keyring: o.Keyring, issuers: o.Issuers, creds: o.Credentials,
		headers: map[[sha256.Size]byte]*Identity{}, managed: map[string]*Identity{}, limits: o.Limits, resource: o.Resource, log: o.Log, now: o.Now,
	}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.creds == nil {
		l.creds = access.NewCredentials()
	}
	var errs []error
	if l.host == "" || strings.ContainsAny(l.host, "*:/ ") {
		errs = append(errs, fmt.Errorf("login: %q is not a host name", o.Host))
	}
	for _, c := range o.Clients {
		if _, taken := l.clients[c.ID]; taken || c.ID == "" || c.Caller == "" {
			errs = append(errs, fmt.Errorf("login: client %q: the id is missing or taken, or there is no caller", c.ID))
		}
		l.clients[c.ID] = c
	}
	for _, i := range o.Identities {
		if l.headers[i.Header] != nil || l.managed[i.ID] != nil || i.ID == "" || i.Caller == "" {
			errs = append(errs, fmt.Errorf("login: identity %q: the id or the header is missing or taken, or there is no caller", i.ID))
		}
		l.headers[i.Header], l.managed[i.ID] = &i, &i
	}
	var err error
	if l.tokens, err = token.New[claims](o.Keyring, tokenType, life); err != nil {
		errs = append(errs, fmt.Errorf("login: %w", err))
	}
	if l.issuers == nil {
		if l.issuers, err = issuer.New(issuer.Options{}); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, c := range o.Clients {
		l.prints[c.ID] = l.printsOf(c)
	}
	l.router = mux.NewRouter().SkipClean(true).UseEncodedPath()
	wire.Mount(l.router, edge{l}, l.routes(), o.Limits)
	return l, nil
}

// Name implements dialects.Dialect.
func (*Login) Name() string { return Via }

// Mount implements dialects.Dialect. It takes every path of its host and
// nothing else, so it is mounted first.
func (l *Login) Mount(r *mux.Router) {
	r.MatcherFunc(func(r *http.Request, _ *mux.RouteMatch) bool {
		_, ok := l.base(r.Host)
		return ok
	}).Handler(l)
}

// base is what every URL here begins with, as the client sees it: clients
// refuse an issuer whose port is not the one they asked.
func (l *Login) base(hostport string) (string, bool) {
	host, port := hostport, ""
	if strings.Contains(hostport, ":") {
		if h, p, err := net.SplitHostPort(hostport); err == nil {
			host, port = h, p
		}
	}
	if strings.TrimSuffix(strings.ToLower(host), ".") != l.host {
		return "", false
	}
	if port == "" || port == "443" {
		return "https://" + l.host, true
	}
	_, err := strconv.ParseUint(port, 10, 16)
	return "https://" + l.host + ":" + port, err == nil
}

// ServeHTTP reads paths as the vendor does: words in any case, and slashes
// twice or at the end, which come from an authority that ends with one.
func (l *Login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var kept []string
	was := r.URL.EscapedPath()
	for s := range strings.SplitSeq(strings.ToLower(was), "/") {
		if s != "" {
			kept = append(kept, s)
		}
	}
	if path := "/" + strings.Join(kept, "/"); path != was {
		r = wire.WithPath(r, path)
	}
	l.router.ServeHTTP(w, r)
}

func (l *Login) routes() []wire.Route {
	const at = "/" + Tenant
	return []wire.Route{
		{Op: "login.Token", Method: http.MethodPost, Path: at + tokenPath, MaxBody: maxForm, Handle: l.token},
		{Op: "login.Token", Method: http.MethodPost, Path: at + olderTokenPath, MaxBody: maxForm, Handle: l.olderToken},
		{Op: "login.Discover", Method: http.MethodGet, Path: at + discoveryPath, Handle: l.discover},
		// with a version, as OpenID's own clients ask, or a tenant, as azure-cli does
		{Op: "login.Discover", Method: http.MethodGet, Path: at + "/{form}" + discoveryPath, Handle: l.discover},
		{Op: "login.Keys", Method: http.MethodGet, Path: at + keysPath, Handle: l.publicKeys},
		{Op: "login.Authorize", Method: http.MethodGet, Path: at + authorizePath, Handle: people},
		{Op: "login.Authorize", Method: http.MethodGet, Path: at + olderAuthorizePath, Handle: people},
		{Op: "login.Authorize", Method: http.MethodPost, Path: at + devicePath, Handle: people},
		{Op: "login.Authorize", Method: http.MethodPost, Path: at + olderDevicePath, Handle: people},
	}
}
