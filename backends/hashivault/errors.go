package hashivault

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/secret"
)

var (
	// errUnsent marks a request that never got a connection.
	errUnsent = errors.New("the request was not sent")
	// errRedirect is an answer that did nothing, and is never followed: the
	// token goes where the configuration says.
	errRedirect = errors.New("the answer is a redirect")
)

// classify turns an answer of the client into a kind. Wrote tells whether the
// request would have changed something: where its fate is open, the kind is
// Unknown. Vendor text goes to Err, for logs alone: it names paths and
// policies, never values.
func classify(err error, wrote bool) error {
	var known *secret.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	var resp *api.ResponseError
	if !errors.As(err, &resp) {
		return classifyTransport(err, wrote)
	}
	e := &secret.Error{Kind: statusKind(resp, wrote), Err: resp}
	switch e.Kind {
	case secret.Upstream:
		e.Detail = "Vault refused the gateway's own credentials"
		if says(resp, noRoute) {
			e.Detail = "the store's mount is not there any more in Vault"
		}
	case secret.Throttled:
		e.RetryAfter = time.Second
	case secret.Unavailable:
		e.Detail = "Vault is not ready"
	}
	return e
}

// noRoute is the answer for a path below no mount. It is not that of a secret
// that is missing, though the status is the same.
const noRoute = "no handler for route"

func statusKind(r *api.ResponseError, wrote bool) secret.Kind {
	switch code := r.StatusCode; {
	case says(r, "check-and-set parameter"):
		return secret.Conflict
	case says(r, "too large"), says(r, "exceeds allowed length"), code == http.StatusRequestEntityTooLarge:
		return secret.TooLarge
	case says(r, "Vault is sealed"), says(r, "in standby mode"), says(r, "active cluster node not found"), says(r, "pgrading from non-versioned"):
		return secret.Unavailable
	case says(r, noRoute), code == http.StatusForbidden, code == http.StatusUnauthorized:
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

func says(r *api.ResponseError, text string) bool {
	for _, s := range r.Errors {
		if strings.Contains(s, text) {
			return true
		}
	}
	return false
}

// classifyTransport: a connection that was never made, a peer that was never
// trusted, or a redirect changed nothing.
func classifyTransport(err error, wrote bool) error {
	var op *net.OpError
	var untrusted *tls.CertificateVerificationError
	refused, redirect := errors.As(err, &untrusted), errors.Is(err, errRedirect)
	unsent := refused || redirect || errors.Is(err, errUnsent) || errors.As(err, &op) && op.Op == "dial"
	if wrote && !unsent {
		return &secret.Error{Kind: secret.Unknown, Err: err}
	}
	e := &secret.Error{Kind: secret.Unavailable, Detail: "Vault cannot be reached", Err: err}
	switch {
	case refused:
		e.Detail = "Vault's certificate is not trusted"
	case redirect:
		e.Detail = "Vault answers with a redirect, which is not followed: the address is another's, or a standby's"
	}
	return e
}

func unavailable(err error) error { return &secret.Error{Kind: secret.Unavailable, Err: err} }

func begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	return nil
}

// as names the operation and the secret. It keeps the innermost kind.
func as(err error, op string, name secret.Name) error {
	if err == nil {
		return nil
	}
	e := &secret.Error{Kind: secret.KindOf(err), Op: "hashivault." + op, Name: name, Detail: secret.DetailOf(err), Err: err}
	var inner *secret.Error
	if errors.As(err, &inner) {
		e.RetryAfter, e.Err = inner.RetryAfter, inner.Err
	}
	return e
}
