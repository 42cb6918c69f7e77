// Package azure speaks the secrets part of the Azure Key Vault data plane, so
// closely that the vendor's own clients work unmodified. Where the real
// service's answer is not known, the comment says "inferred".
package azure

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
)

// Options make a Dialect. Service, Credentials, Throttle and Authority are
// needed.
type Options struct {
	Service     *gateway.Service
	Credentials *access.Credentials
	Throttle    *access.Throttle
	// Authority is what the challenge tells clients to log in at. It needs a
	// path, the tenant: Go clients panic on one without.
	Authority string
	// Login is the host of the gateway's own login; empty: there is none. An
	// Authority there that names no port is reached at the port that the client
	// has asked: it is the same listener, wherever it stands.
	Login string
	// Resource is what the challenge asks a token for. Empty: the parent
	// domain of the host that was asked, which is what clients verify.
	Resource string
	Routes   []Route
	MaxBlob  int64            // bytes of a restore's body; default wire.DefaultMaxBlob
	Limits   *wire.Limits     // of the gateway; default: of this dialect alone
	Now      func() time.Time // default: time.Now
	Stopping func() bool      // the gateway is about to stop; default: never
}

// Route leads a host to a store.
type Route struct {
	// Host is compared without its port and without regard to case. "*." before
	// a name takes every host with one label more; "*" every host that is left.
	Host  string
	Store string
	// Prefix is a folder of the store, "team/": clients see what is in it, and
	// nothing else. After "*." it may hold "{1}" for the label.
	Prefix   string
	Resource string // instead of Options.Resource
}

// Dialect serves Key Vault's API. It implements dialects.Dialect.
type Dialect struct {
	service     *gateway.Service
	credentials *access.Credentials
	throttle    *access.Throttle
	authority   string
	login       login
	resource    string
	sites       map[string]*site
	maxBlob     int64
	now         func() time.Time
	stopping    func() bool
	date        dateHeader
	permissions map[string]string // by operation
	handler     http.Handler
}

// New returns a dialect, or every problem of its options at once.
func New(o Options) (*Dialect, error) {
	d := &Dialect{
		service: o.Service, credentials: o.Credentials, throttle: o.Throttle,
		authority: o.Authority, login: loginOf(o.Authority, o.Login), resource: bare(o.Resource), maxBlob: cmp.Or(o.MaxBlob, wire.DefaultMaxBlob), now: o.Now,
		sites: map[string]*site{}, permissions: map[string]string{},
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.stopping = o.Stopping; d.stopping == nil {
		d.stopping = func() bool { return false }
	}
	errs := []error{checkAuthority(o.Authority), checkResource(o.Resource)}
	for _, r := range o.Routes {
		errs = append(errs, d.addSite(r))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	d.handler = wire.NewHandler(d, d.routes(), segments, o.Limits)
	return d, nil
}

func checkAuthority(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") == "" || strings.ContainsAny(s, "\", \t") {
		return fmt.Errorf("azure: authority %q is not an https URL with a path: clients take the tenant from it", s)
	}
	return nil
}

func checkResource(s string) error {
	if s == "" {
		return nil
	}
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" || strings.ContainsAny(s, "\", \t") {
		return fmt.Errorf("azure: resource %q is not an https URL", s)
	}
	return nil
}

// Name implements dialects.Dialect.
func (*Dialect) Name() string { return "azure" }

// Mount implements dialects.Dialect. It takes every path that comes to r.
func (d *Dialect) Mount(r *mux.Router) { r.NewRoute().Handler(d.handler) }
