package azure

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// Authenticate implements wire.Edge. It looks at nothing but the token: the
// first request of every client comes without one, and without its body.
//
// Tokens cannot be guessed, so the throttle counts each wrong one by itself:
// a client that keeps sending a stale token is slowed down, and neither its
// next token nor its neighbours' are.
func (d *Dialect) Authenticate(r *wire.Request) (access.Caller, error) {
	if r.Op == opHealth {
		return access.Caller{}, nil
	}
	from := r.From(d.Name(), d.now())
	token, ok := bearer(r.Header)
	if !ok {
		return d.byCertificate(r, from)
	}
	who, err := d.credentials.Bearer(token, from, func() string { return d.audience(r) })
	if err == nil {
		return who, nil
	}
	if again, down := access.Down(err); down {
		return access.Caller{}, &secret.Error{Kind: secret.Unavailable, Detail: access.Reason(err), RetryAfter: again}
	}
	key := access.HashedKey("token", token)
	if d.throttle.Locked(key, r.Address) > 0 {
		// Without a Retry-After: some SDKs would wait it out within one call.
		return access.Caller{}, &secret.Error{Kind: secret.Throttled}
	}
	d.throttle.Failed(key, r.Address)
	return access.Caller{}, refuseFor(secret.Unauthenticated, refusedToken(err), err)
}

// byCertificate takes a request without a token whose sender showed a
// certificate. The vendor's clients leave a body out of their first request, to
// be challenged: they are.
func (d *Dialect) byCertificate(r *wire.Request, from access.From) (access.Caller, error) {
	peer, err := d.credentials.Peer(from)
	switch {
	case err != nil:
		return access.Caller{}, refuseFor(secret.Unauthenticated, noToken, err)
	case peer.ID == "", len(r.Header["Authorization"]) > 0, takesBody[r.Op] && r.ContentLength == 0:
		return access.Caller{}, refuse(secret.Unauthenticated, noToken, "")
	}
	return peer, nil
}

// takesBody has the operations that are nothing without one.
var takesBody = map[string]bool{"azure.SetSecret": true, "azure.UpdateSecret": true, opRestore: true}

// refusedToken says what the service says of a token. Its words for a wrong
// signature under a known key, and for one that is not valid yet or has no end,
// are inferred.
func refusedToken(err error) shape {
	s := badToken
	if bound, ok := errors.AsType[*access.BoundError](err); ok && !bound.Ended.IsZero() {
		return expiredToken
	}
	var e *access.TokenError
	if !errors.As(err, &e) {
		return s
	}
	switch e.Fault {
	case access.UnknownToken, access.IssuerDown:
	case access.BadSignature, access.UnknownIssuer:
		s.message += " EncodedJwtHeader: '" + e.Header + "'."
	case access.WrongAudience:
		s.message = "AKV10022: Invalid audience. Expected " + e.Want + ", found: " + e.Found + "."
	case access.WrongIssuer:
		s.message = "AKV10032: Invalid issuer. Expected one of " + e.Want + ", found " + e.Found + "."
	case access.ExpiredToken:
		return expiredToken
	case access.EarlyToken:
		s.message = "Error validating token: IDX10222"
	case access.EndlessToken:
		s.message = "Error validating token: IDX10225"
	case access.UnboundToken, access.AmbiguousToken: // the service knows every token of its tenant
		s.message = "The token is valid, and names no one caller of this gateway."
	}
	return s
}

func bearer(h http.Header) (string, bool) {
	all := h["Authorization"]
	if len(all) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(all[0], " ")
	token = strings.TrimSpace(token)
	return token, token != "" && strings.EqualFold(scheme, "Bearer")
}

// challenge is the header of every 401. Clients split it by hand: one header,
// authorization first, a comma and a space.
func (d *Dialect) challenge(r *wire.Request) string {
	return `Bearer authorization="` + d.authorityFor(r) + `", resource="` + d.audience(r) + `"`
}

// login is where an authority of our own is: all of its URL but the port. The
// zero login is somebody else's.
type login struct{ host, path string }

func loginOf(authority, host string) login {
	u, err := url.Parse(authority)
	if err != nil || host == "" || fold(u.Host) != fold(host) { // with a port it was meant so
		return login{}
	}
	return login{host: u.Host, path: u.EscapedPath()}
}

// authorityFor is what the client is told to log in at.
func (d *Dialect) authorityFor(r *wire.Request) string {
	o := originOf(r.Host)
	if _, err := strconv.ParseUint(o.port, 10, 16); err != nil || d.login.host == "" {
		return d.authority
	}
	return o.url(d.login.host) + d.login.path
}

// bare is a resource as audiences name it: clients ask for it with and without
// a slash at its end.
func bare(resource string) string { return strings.TrimSuffix(resource, "/") }

// audience is the resource that tokens for the host must be issued for.
func (d *Dialect) audience(r *wire.Request) string {
	o := originOf(r.Host)
	resource := d.resource
	if s := d.site(o); s != nil && s.resource != "" {
		resource = s.resource
	}
	if resource == "" {
		resource = o.parent()
	}
	return resource
}
