package connection

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// errUnsent marks a request that never got a connection.
var errUnsent = errors.New("the request was not sent")

// classify turns an answer of the client into a kind. Wrote tells whether the
// request would have changed something: where its fate is open, the kind is
// Unknown. Vendor text goes to Err, for logs alone: it names paths and
// policies, never values.
func classify(err error, wrote bool) error {
	if _, known := errors.AsType[*secret.Error](err); known || err == nil {
		return err
	}
	resp, answered := errors.AsType[*api.ResponseError](err)
	if !answered {
		return classifyTransport(err, wrote)
	}
	e := &secret.Error{Kind: statusKind(resp, wrote), Err: resp}
	switch e.Kind {
	case secret.Upstream:
		e.Detail = "Vault refused the gateway's own credentials"
		if refuses(resp, noRoute) {
			e.Detail = "the store's mount is not there any more in Vault"
		}
	case secret.Throttled:
		e.RetryAfter = time.Second
	case secret.Unavailable:
		e.Detail = "Vault is not ready"
		if resp.StatusCode == http.StatusPreconditionFailed {
			e.Err = errors.Join(kit.ErrBehind, resp)
		}
	case secret.Internal, secret.TooLarge, secret.Unsupported:
		e.Detail = "Vault refused the request"
	case secret.Unknown:
		e.Detail = "Vault failed and may have written or not"
	}
	if e.Detail != "" {
		e.Detail += told(resp)
	}
	return e
}

// sentences are those of Vault that hold nothing of a request.
var sentences = []string{
	"permission denied", "invalid token", "bad token", "missing client token", "token expired or revoked",
	"Vault is sealed", "Vault is in standby mode", "active cluster node not found", "context deadline exceeded", "internal error",
	"unsupported operation", "unsupported path", "request body too large", "http: request body too large",
	"cannot write to readonly storage", "no handler for route",
}

// told is what people learn of an answer. Vault has no codes but the status.
func told(r *api.ResponseError) string {
	a := &kit.Answer{Status: r.StatusCode, Code: "HTTP " + strconv.Itoa(r.StatusCode)}
	for _, s := range r.Errors {
		if a.Said = kit.Known(s, sentences...); a.Said != "" {
			break
		}
	}
	return a.Told()
}

// noRoute is the answer for a path below no mount. It is not that of a secret
// that is missing, though the status is the same.
const noRoute = "no handler for route"

func statusKind(r *api.ResponseError, wrote bool) secret.Kind {
	says := func(text string) bool { return refuses(r, text) }
	switch code := r.StatusCode; {
	case says("check-and-set parameter"):
		return secret.Conflict
	case says("too large"), says("exceeds allowed length"), code == http.StatusRequestEntityTooLarge:
		return secret.TooLarge
	case says("Vault is sealed"), says("in standby mode"), says("active cluster node not found"), says("pgrading from non-versioned"):
		return secret.Unavailable
	case says(noRoute), code == http.StatusForbidden, code == http.StatusUnauthorized:
		return secret.Upstream
	case code == http.StatusNotFound:
		return secret.NotFound
	case code == http.StatusTooManyRequests:
		return secret.Throttled
	case code == http.StatusMethodNotAllowed:
		return secret.Unsupported
	case code == http.StatusPreconditionFailed, code >= 470 && code < 500:
		return secret.Unavailable
	case code >= 500 && wrote:
		return secret.Unknown
	case code >= 500:
		return secret.Unavailable
	}
	return secret.Internal // a request that we should not have made
}

// refuses reports whether an answer of Vault's says the text.
func refuses(err error, text string) bool {
	resp, ok := errors.AsType[*api.ResponseError](err)
	return ok && slices.ContainsFunc(resp.Errors, func(s string) bool { return strings.Contains(s, text) })
}

// Says reports whether an answer of Vault's says the text.
func Says(err error, text string) bool { return refuses(err, text) }

// NoMount reports whether there is no mount at the path that was asked.
func NoMount(err error) bool { return refuses(err, noRoute) }

// classifyTransport: a connection that was never made, a peer that was never
// trusted, or a redirect changed nothing.
func classifyTransport(err error, wrote bool) error {
	op, _ := errors.AsType[*net.OpError](err)
	_, untrusted := errors.AsType[*tls.CertificateVerificationError](err)
	redirect := errors.Is(err, kit.ErrRedirect)
	unsent := untrusted || redirect || errors.Is(err, errUnsent) || op != nil && op.Op == "dial"
	if e, ok := errors.AsType[*url.Error](err); ok { // of the vendor's client, which names each of its requests
		err = e.Err
	}
	if wrote && !unsent {
		return &secret.Error{Kind: secret.Unknown, Err: err}
	}
	e := &secret.Error{Kind: secret.Unavailable, Detail: "Vault cannot be reached", Err: err}
	switch {
	case errors.Is(err, kit.ErrMalformed):
		e.Detail = "Vault's answer is not what its API promises"
	case untrusted:
		e.Detail = "Vault's certificate is not trusted"
	case redirect:
		e.Detail = "Vault answers with a redirect, which is not followed: the address is another's, or a standby's"
	}
	return e
}

func unavailable(err error) error { return &secret.Error{Kind: secret.Unavailable, Err: err} }

// Named says in an error which operation failed, and of which secret. It keeps
// the innermost kind.
func Named(err error, op string, name secret.Name) error {
	if err == nil {
		return nil
	}
	e := &secret.Error{Kind: secret.KindOf(err), Op: "hashivault." + op, Name: name, Detail: secret.DetailOf(err), Err: err}
	if inner, ok := errors.AsType[*secret.Error](err); ok {
		e.RetryAfter, e.Err = inner.RetryAfter, inner.Err
	}
	return e
}
