package huawei

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/gateway/iam"
	"github.com/vaultferry/vaultferry/secret"
)

// Route sends the requests of one project to one store. Name is what clients
// that do not know the project's id look it up by: that of their region.
// Default: the id.
type Route struct{ Project, Name, Store string }

// Options make a Dialect. All fields are needed but the last four.
type Options struct {
	Service     *gateway.Service
	Events      *events.Service // of that Service
	Credentials *access.Credentials
	IAM         *iam.IAM
	Throttle    *access.Throttle
	Routes      []Route
	MaxBlob     int64            // bytes of a restore's body; default wire.DefaultMaxBlob
	Limits      *wire.Limits     // of the gateway; default: of this dialect alone
	SignedHost  bool             // a signature must cover the header Host
	Now         func() time.Time // default: time.Now
}

// Dialect is CSMS over the gateway's stores.
type Dialect struct{ api *api }

// New returns the dialect. It fails on a route that names no store or repeats
// a project.
func New(o Options) (*Dialect, error) {
	if o.Service == nil || o.Events == nil || o.Credentials == nil || o.IAM == nil || o.Throttle == nil {
		return nil, errors.New("huawei: Service, Events, Credentials, IAM and Throttle are needed")
	}
	a := &api{svc: o.Service, events: o.Events, creds: o.Credentials, iam: o.IAM, throttle: o.Throttle, projects: o.Routes, stores: map[string]string{}, maxBlob: cmp.Or(o.MaxBlob, wire.DefaultMaxBlob), limits: o.Limits, signedHost: o.SignedHost, now: o.Now}
	if a.now == nil {
		a.now = time.Now
	}
	a.ids = newIDs(o.Service.IDKey("huawei secrets"), a.now)
	names := map[string]bool{}
	for _, r := range o.Routes {
		name := cmp.Or(r.Name, r.Project)
		if names[name] {
			return nil, fmt.Errorf("huawei: two projects are called %q", name)
		}
		names[name] = true
		if _, dup := a.stores[r.Project]; dup || r.Project == "" || strings.Contains(r.Project, "/") {
			return nil, fmt.Errorf("huawei: project %q is empty, repeated or holds a slash", r.Project)
		}
		if _, ok := o.Service.Info(r.Store); !ok {
			return nil, fmt.Errorf("huawei: project %q: there is no store %q", r.Project, r.Store)
		}
		a.stores[r.Project] = r.Store
	}
	return &Dialect{api: a}, nil
}

// Name is "huawei".
func (d *Dialect) Name() string { return via }

const via = "huawei"

// Mount takes every path whose first segment is v1, v3 or v3.0, and whatever
// else bears the marks of the vendor's clients.
func (d *Dialect) Mount(r *mux.Router) {
	own := r.MatcherFunc(func(r *http.Request, _ *mux.RouteMatch) bool {
		path := strings.TrimPrefix(r.URL.EscapedPath(), "/")
		switch first, _, _ := strings.Cut(path, "/"); first {
		case "v1", "v3", "v3.0":
			return true
		}
		word, _, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
		return signed(r.Header) || marked(r.Header) && !keyVault[strings.ToLower(word)]
	}).Subrouter()
	wire.Mount(own, d.api, d.api.routes(), d.api.limits)
}

// algorithms begin the Authorization header of every client that signs.
var algorithms = []string{"SDK-HMAC-", "SDK-ECDSA-", "SDK-SM2-", "V11-HMAC-"}

// signed reports whether one of the vendor's clients signed the request: no
// other vendor's does so.
func signed(h http.Header) bool {
	sent := h.Get("Authorization")
	return slices.ContainsFunc(algorithms, func(a string) bool { return strings.HasPrefix(sent, a) })
}

// marked reports whether the request has the lesser marks of the vendor's
// clients, and no authorization of another scheme.
func marked(h http.Header) bool {
	return h.Get("Authorization") == "" && (h.Get("X-Auth-Token") != "" || h.Get("X-Sdk-Date") != "")
}

// keyVault holds what begins the paths that the other dialect serves: whoever
// asks there is told what is missing there.
var keyVault = map[string]bool{"secrets": true, "deletedsecrets": true}

// api is the wire.Edge, and has a method for each operation.
type api struct {
	svc        *gateway.Service
	events     *events.Service
	creds      *access.Credentials
	iam        *iam.IAM
	projects   []Route
	throttle   *access.Throttle
	stores     map[string]string // by project
	ids        *ids
	maxBlob    int64
	limits     *wire.Limits
	signedHost bool
	now        func() time.Time
}

// request is an authenticated request to a known project.
type request struct {
	*wire.Request
	store string
	call  gateway.Call
}

// operation handles a request and returns the body of its success; nil: none.
type operation func(*api, *request) (any, error)

func (a *api) routes() []wire.Route {
	var out []wire.Route
	for _, o := range operations() {
		switch o.maxBody {
		case 0:
			o.maxBody = smallBody
		case restoreBody:
			o.maxBody = a.maxBlob
		}
		route := wire.Route{
			Op: via + "." + o.op, Method: o.method, Path: o.path, MaxBody: o.maxBody, Large: o.large,
			Handle: func(r *wire.Request) (wire.Reply, error) { return a.run(r, &o) },
		}
		out = append(out, route)
		if o.slash {
			route.Path += "/"
			out = append(out, route)
		}
	}
	return out
}

func (a *api) run(r *wire.Request, o *row) (wire.Reply, error) {
	if o.iam != nil {
		return o.iam(a, r)
	}
	if o.handle == nil {
		return wire.Reply{}, secret.Errorf(secret.Unsupported, "%s is not served by this gateway", o.op)
	}
	store, ok := a.stores[r.Vars["project_id"]]
	if !ok || !a.svc.MayUse(r.Caller, store) {
		return wire.Reply{}, a.noProject(r)
	}
	body, err := o.handle(a, &request{Request: r, store: store, call: call(r)})
	if err != nil {
		return wire.Reply{}, err
	}
	rep := wire.Reply{Status: cmp.Or(o.status, http.StatusOK), Body: body}
	if body != nil {
		rep.Header = jsonHeader()
	}
	return rep, nil
}

// noProject refuses a project that is not there, and one in which the caller may
// do nothing: he learns not even which of them it is. The audit does.
func (a *api) noProject(r *wire.Request) error {
	refused := &secret.Error{Kind: secret.Denied, Detail: "no such project"}
	if ref, action := a.refOf(r), actions[r.Op]; ref.Store != "" && action != "" {
		err := a.svc.Ask(r.Context(), call(r), action, ref)
		if errors.Is(err, secret.Internal) {
			return err
		}
		refused.Err = err
	}
	return refused
}

func call(r *wire.Request) gateway.Call {
	return gateway.Call{Caller: r.Caller, Op: cmp.Or(r.Op, via+".Unknown"), RequestID: r.ID, Address: r.Address, TellTrash: true}
}

// ref names the secret of the path.
func (r *request) ref() (gateway.Ref, error) {
	name, err := ModelName(r.Vars["secret_name"])
	return gateway.Ref{Store: r.store, Name: name}, err
}

// decode reads the body into a flat struct.
func (r *request) decode(into any) error {
	raw, err := bodyOf(r.Request)
	if err != nil {
		return err
	}
	return decode(raw, into)
}

// bodyOf is the body of an operation that takes one.
func bodyOf(r *wire.Request) ([]byte, error) {
	body, err := r.JSON()
	if errors.Is(err, wire.ErrEncoded) || errors.Is(err, wire.ErrUTF16) {
		return nil, badFormat("the body is " + err.Error())
	}
	return body, err
}

// write is the call of a mutation: it carries the digest of its body.
func (r *request) write() gateway.Call {
	c := r.call
	c.Digest = r.Digest()
	return c
}

// Prepare sets the headers that the SDKs read on every answer.
func (a *api) Prepare(h http.Header, r *wire.Request) {
	h["X-Request-Id"] = r.HeaderValue(r.ID)
	if ofIAM[r.Op] {
		h.Set("X-IAM-Trace-Id", r.ID)
	}
}

func jsonHeader() http.Header { return http.Header{"Content-Type": {"application/json"}} }
