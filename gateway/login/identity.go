package login

import (
	"crypto/sha256"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// IdentityVia is what the audit calls the endpoint of managed identities.
const IdentityVia = "identity"

// Identity is a caller's managed identity: programs on this machine get tokens
// for it by a header that they find in their environment.
type Identity struct {
	ID     string            // the client id, which clients may name
	Header [sha256.Size]byte // the hash of X-IDENTITY-HEADER, which nobody guesses
	Caller string
	Bounds access.Bounds
}

const identityPath = "/msi/token"

// identityVersion is how an api-version of App Service's endpoint has the proof, and
// writes when a token ends.
type identityVersion struct {
	name, header string
	ends         func(seconds int64) string
}

// identityVersions: the first is the newest. The other's clients know MSI_ENDPOINT and
// MSI_SECRET (go-autorest, ms-rest-azure, @azure/identity 1), and read a date: JavaScript's
// makes none of a number, Go's and Java's take it in this form.
var identityVersions = []identityVersion{
	{"2019-08-01", "X-Identity-Header", func(s int64) string { return strconv.FormatInt(s, 10) }},
	{"2017-09-01", "Secret", func(s int64) string { return time.Unix(s, 0).UTC().Format("01/02/2006 15:04:05 -07:00") }},
}

// identityVersionOf is the api-version that a request names, and whether it is served.
// Whoever names none has to prove himself as for the newest.
func identityVersionOf(r *wire.Request) (identityVersion, bool) {
	named := r.URL.Query().Get("api-version")
	for _, v := range identityVersions {
		if v.name == named {
			return v, true
		}
	}
	return identityVersions[0], false
}

// proven is the identity as what tokens are issued to.
func (i *Identity) proven() proven {
	return proven{
		Client: Client{ID: i.ID, Caller: i.Caller, Bounds: i.Bounds}, print: i.Header,
		credential: access.CredentialOf(access.ManagedIdentity, i.ID), kind: kindIdentity,
	}
}

// kindIdentity is the kind of claims of an identity's tokens.
const kindIdentity = "identity"

// IdentityEndpoint serves tokens as Azure's App Service does, for a listener on
// loopback alone. Whoever has the header is the identity, whichever caller's it
// is. A request that somebody may have been made to send for another is refused:
// one that was forwarded, or that names another host.
func (l *Login) IdentityEndpoint() http.Handler {
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	wire.Mount(r, identityEdge{l}, []wire.Route{
		{Op: "identity.Token", Method: http.MethodGet, Path: identityPath, Handle: l.identityToken},
		{Op: "identity.Token", Method: http.MethodGet, Path: identityPath + "/", Handle: l.identityToken}, // of ms-rest-azure
	}, l.limits)
	return r
}

// identityEdge implements wire.Edge.
type identityEdge struct{ *Login }

var (
	forwarded    = refusal{secret.Denied, http.StatusBadRequest, "BadRequest", 0, "The request was forwarded, or names another host than this machine: ask the endpoint itself."}
	noHeader     = refusal{secret.Unauthenticated, http.StatusUnauthorized, "Unauthorized", 0, "X-IDENTITY-HEADER (secret for api-version 2017-09-01) is missing, or is none of this endpoint's: it must be what IDENTITY_HEADER (MSI_SECRET) holds."}
	slowHeader   = refusal{secret.Throttled, http.StatusTooManyRequests, "TooManyRequests", 0, "This X-IDENTITY-HEADER was refused too often. Wait some minutes."}
	noIdentity   = refusal{secret.Invalid, http.StatusBadRequest, "BadRequest", 0, "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId."}
	wrongVersion = refusal{secret.Invalid, http.StatusBadRequest, "BadRequest", 0, "The api-version is not served: 2019-08-01 and 2017-09-01 are."}
	noAudience   = refusal{secret.Invalid, http.StatusBadRequest, "BadRequest", 0, "The resource is missing, or no token is issued for it: it must be what the 401 answer of a vault names as its resource."}
	noEndpoint   = refusal{secret.NotFound, http.StatusNotFound, "NotFound", 0, "There is nothing at this path: GET " + identityPath + " is served."}
	identityRate = refusal{secret.Throttled, http.StatusTooManyRequests, "TooManyRequests", 0, "The caller has sent more requests than its rate_limit allows."}
)

// Authenticate implements wire.Edge.
func (e identityEdge) Authenticate(r *wire.Request) (access.Caller, error) {
	nobody := access.Caller{Via: IdentityVia}
	if !direct(r.Request) {
		return nobody, refuse(forwarded)
	}
	v, _ := identityVersionOf(r)
	all := r.Header.Values(v.header)
	if len(all) != 1 || all[0] == "" {
		return nobody, refuse(noHeader)
	}
	sum := sha256.Sum256([]byte(all[0])) // found by hash, which tells nothing of how much was right
	id, known := e.headers[sum]
	var bound error
	if known {
		by := id.proven()
		who := by.caller()
		who.Via = IdentityVia
		if bound = e.creds.Check(who, r.From(IdentityVia, e.now())); bound == nil {
			return who, nil
		}
	}
	key := access.HashedKey("identity", all[0])
	if e.throttle.Locked(key, r.Address) > 0 {
		return nobody, refuseFor(slowHeader, bound)
	}
	e.throttle.Failed(key, r.Address)
	return nobody, refuseFor(noHeader, bound)
}

// direct reports whether a program on this machine sent the request here itself,
// as far as it says.
func direct(r *http.Request) bool {
	for name := range r.Header {
		if name == "Forwarded" || name == "Via" || strings.HasPrefix(name, "X-Forwarded-") || name == "X-Real-Ip" {
			return false
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// identityAnswer is what the clients of App Service read.
type identityAnswer struct {
	Token    string `json:"access_token"`
	Expires  string `json:"expires_on"` // as the api-version has it
	Resource string `json:"resource"`
	Type     string `json:"token_type"`
	Client   string `json:"client_id"`
}

func (l *Login) identityToken(r *wire.Request) (wire.Reply, error) {
	q := r.URL.Query()
	v, served := identityVersionOf(r)
	id := l.headers[sha256.Sum256([]byte(r.Header.Get(v.header)))]
	switch {
	case !served:
		return wire.Reply{}, refuse(wrongVersion)
	case !id.isNamed(q):
		return wire.Reply{}, refuse(noIdentity)
	}
	resource := strings.TrimSuffix(q.Get("resource"), "/") // vaults compare, and name none with a slash
	if l.check(resource) != nil {
		return wire.Reply{}, refuse(noAudience)
	}
	token, says, err := l.issue(id.proven(), "https://"+l.host+"/"+Tenant, resource)
	if err != nil {
		return wire.Reply{}, &secret.Error{Kind: secret.Internal, Op: r.Op, Err: err}
	}
	reply, err := answer(identityAnswer{Token: token, Expires: v.ends(says.Expires), Resource: resource, Type: "Bearer", Client: id.ID})
	if err != nil {
		return wire.Reply{}, err
	}
	return reply, l.service.Admit(call(r))
}

// isNamed reports whether the query names the identity, or none. Other names than
// its client id are Azure's.
func (i *Identity) isNamed(q url.Values) bool {
	for _, other := range []string{"object_id", "principal_id", "mi_res_id", "msi_res_id"} {
		if q.Get(other) != "" {
			return false
		}
	}
	for _, client := range []string{"client_id", "clientid"} {
		if name := q.Get(client); name != "" && name != i.ID {
			return false
		}
	}
	return true
}

// Prepare implements wire.Edge.
func (identityEdge) Prepare(h http.Header, r *wire.Request) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("x-ms-request-id", r.ID)
}

// identityProblem is an error as App Service has it; inferred.
type identityProblem struct {
	Status      int    `json:"statusCode"`
	Message     string `json:"message"`
	Correlation string `json:"correlationId"`
}

// Error implements wire.Edge.
func (e identityEdge) Error(r *wire.Request, err error) wire.Reply {
	c := call(r)
	if c.Op == "" {
		c.Op = "identity.Unknown"
	}
	if lost := e.service.Reject(r.Context(), c, noRef, err); lost != nil {
		err = lost
	}
	why := failed
	var own refusal
	switch {
	case errors.As(err, &own):
		why = own
	case errors.Is(err, wire.ErrNoRoute), errors.Is(err, wire.ErrMethod):
		why = noEndpoint
	case errors.Is(err, secret.Throttled):
		why = identityRate
	}
	h := jsonHeader
	if wait := wire.RetryAfter(err); wait != "" {
		h = h.Clone()
		h.Set("Retry-After", wait)
	}
	return wire.Reply{Status: why.status, Header: h, Body: identityProblem{why.status, why.text, r.ID}}
}
