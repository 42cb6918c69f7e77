package login

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// refusal is an answer in the words of RFC 6749, with the number by which
// Entra's users know the case.
type refusal struct {
	kind   secret.Kind
	status int
	code   string
	number int
	text   string
}

func (r refusal) Error() string { return r.text }

func refuse(r refusal) error { return &secret.Error{Kind: r.kind, Err: r} }

// refuseFor is refuse because of cause, which nobody but the audit is told; nil:
// there is no more to tell.
func refuseFor(r refusal, cause error) error {
	return &secret.Error{Kind: r.kind, Err: errors.Join(r, cause)}
}

const (
	invalidRequest = "invalid_request"
	invalidClient  = "invalid_client"
)

var (
	wrongSecret = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 7000215, "Invalid client secret provided, or no such client."}
	noSecret    = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 7000218, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."}
	// locked has no Retry-After: some clients would wait the minutes out
	// inside one call instead of telling.
	locked = refusal{secret.Throttled, http.StatusTooManyRequests, "temporarily_unavailable", 50053, "Too many wrong secrets came from this address for this client. Wait some minutes."}
	// expiredSecret is for whoever knows the secret alone.
	expiredSecret = refusal{secret.Unauthenticated, http.StatusUnauthorized, invalidClient, 7000222, "The provided client secret keys are expired."}
	tooMany       = refusal{secret.Throttled, http.StatusTooManyRequests, "temporarily_unavailable", 90055, "The client has sent more requests than its caller's rate_limit allows."}
	wrongGrant    = refusal{secret.Invalid, http.StatusBadRequest, "unsupported_grant_type", 70003, "The grant type is not served here: client_credentials is the only one."}
	notForm       = refusal{secret.Invalid, http.StatusBadRequest, invalidRequest, 9002313, "Invalid request. Request is malformed or invalid: a form is wanted (application/x-www-form-urlencoded)."}
	wrongScope    = refusal{secret.Invalid, http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier."}
	wrongResource = refusal{secret.Invalid, http.StatusBadRequest, "invalid_resource", 500011, "The resource principal was not found: what a token is asked for, by resource or by scope, must be what the 401 answer of a vault names as its resource."}
	noPeople      = refusal{secret.Unsupported, http.StatusBadRequest, "unsupported_response_type", 700054, "People cannot log in here: programs do, with client credentials."}
	noTenant      = refusal{secret.NotFound, http.StatusNotFound, invalidRequest, 90002, "Tenant not found. The one tenant of this login is adfs, and every path here begins with it: give clients the tenant id adfs, or an authority that ends in /adfs."}
	noPath        = refusal{secret.NotFound, http.StatusNotFound, invalidRequest, 90023, "There is nothing at this path. Below /adfs are served: POST oauth2/v2.0/token (with scope), POST oauth2/token (with resource or scope), GET .well-known/openid-configuration, GET discovery/keys."}
	wrongMethod   = refusal{secret.Invalid, http.StatusMethodNotAllowed, invalidRequest, 900561, "The endpoint does not accept this method."}
	tooLarge      = refusal{secret.TooLarge, http.StatusRequestEntityTooLarge, invalidRequest, 90015, "The request is too large."}
	failed        = refusal{secret.Internal, http.StatusInternalServerError, "server_error", 90033, "The login has failed."}
)

func missing(name string) refusal {
	return refusal{secret.Invalid, http.StatusBadRequest, invalidRequest, 900144, "The request body must contain the following parameter: '" + name + "'."}
}

func twice(name string) refusal {
	return refusal{secret.Invalid, http.StatusBadRequest, invalidRequest, 9000411, "The request is not properly formatted. The parameter '" + name + "' is duplicated."}
}

// noRef is what a login is about.
var noRef gateway.Ref

// edge implements wire.Edge.
type edge struct{ *Login }

// Authenticate lets everybody in: proof is what the token request is about.
func (edge) Authenticate(*wire.Request) (access.Caller, error) { return access.Caller{Via: Via}, nil }

// Prepare forbids caches to keep an answer, as RFC 6749, 5.1 demands of tokens.
func (edge) Prepare(h http.Header, r *wire.Request) {
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
	h.Set("x-ms-request-id", r.ID)
}

// problem is an error as clients see it.
type problem struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
	Numbers     []int  `json:"error_codes"`
	Time        string `json:"timestamp"`
	Trace       string `json:"trace_id"`
	Correlation string `json:"correlation_id"`
}

// Error implements wire.Edge.
func (e edge) Error(r *wire.Request, err error) wire.Reply {
	c := call(r)
	if c.Op == "" {
		c.Op = "login.Unknown"
	}
	if lost := e.service.Reject(r.Context(), c, noRef, err); lost != nil {
		err = lost
	}
	why := describe(r, err)
	at := e.now().UTC().Format("2006-01-02 15:04:05Z")
	p := problem{Code: why.code, Numbers: []int{why.number}, Time: at, Trace: r.ID, Correlation: r.ID}
	if id, err := uuid.Parse(r.Header.Get("client-request-id")); err == nil {
		p.Correlation = id.String()
	}
	between := " "
	if isOlder(r) {
		between = "\r\n" // reported of that endpoint
	}
	p.Description = strings.Join([]string{
		fmt.Sprintf("AADSTS%d: %s", why.number, why.text), "Trace ID: " + p.Trace, "Correlation ID: " + p.Correlation, "Timestamp: " + at,
	}, between)
	h := jsonHeader
	if wait := wire.RetryAfter(err); wait != "" {
		h = h.Clone()
		h.Set("Retry-After", wait)
	}
	if _, _, basic := r.BasicAuth(); basic && why.status == http.StatusUnauthorized {
		h = h.Clone()
		h.Set("WWW-Authenticate", `Basic realm="`+e.host+`"`)
	}
	return wire.Reply{Status: why.status, Header: h, Body: p}
}

// describe looks at no cause but one of its own or wire's.
func describe(r *wire.Request, err error) refusal {
	var own refusal
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, wire.ErrNoRoute) && !ofTenant(r.URL.Path):
		return noTenant
	case errors.Is(err, wire.ErrNoRoute):
		return noPath
	case errors.Is(err, wire.ErrMethod):
		return wrongMethod
	case errors.Is(err, wire.ErrBodySize):
		return tooLarge
	case errors.Is(err, wire.ErrBodyRead):
		return notForm
	case errors.Is(err, secret.Throttled):
		return tooMany
	}
	return failed
}

// ofTenant reports whether the path begins with the tenant.
func ofTenant(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first == Tenant
}
