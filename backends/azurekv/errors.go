package azurekv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// answer is an error answer of the vault, less its text: what remains are
// codes, fit for a log.
type answer struct {
	status    int
	code      string
	inner     string // innererror.code: the reason of a 403 or 409
	requestID string
	after     time.Duration
}

func (a *answer) Error() string {
	return fmt.Sprintf("answer %d %q %q, request %q", a.status, a.code, a.inner, a.requestID)
}

func newAnswer(e *azcore.ResponseError) *answer {
	a := &answer{status: e.StatusCode, code: clip(e.ErrorCode)}
	if e.RawResponse == nil {
		return a
	}
	a.requestID = clip(e.RawResponse.Header.Get("x-ms-request-id"))
	a.after = kit.RetryAfter(e.RawResponse.Header)
	var body struct {
		Error struct {
			Inner struct {
				Code string `json:"code"`
			} `json:"innererror"`
		} `json:"error"`
	}
	if raw, err := runtime.Payload(e.RawResponse); err == nil && json.Unmarshal(raw, &body) == nil {
		a.inner = clip(body.Error.Inner.Code)
	}
	return a
}

// clip keeps a hostile answer from filling a log.
func clip(s string) string { return s[:min(len(s), 64)] }

// op is one call to the vault, for its error.
type op struct {
	name  secret.Name
	what  string
	write bool
	sent  bool // of a write: it may have arrived
}

// fail turns any error of the client into ours. The result never holds text
// of the vault; the cause keeps only what cannot hold a value.
func (o op) fail(ctx context.Context, err error) error {
	e := &secret.Error{Op: "azurekv." + o.what, Name: o.name}
	var re *azcore.ResponseError
	var ce *credentialError
	switch {
	case errors.As(err, &ce):
		o.noToken(ctx, e, ce)
	case errors.As(err, &re):
		a := newAnswer(re)
		e.Err, e.RetryAfter = a, a.after
		e.Kind, e.Detail = o.classify(a)
	case o.write && o.sent:
		e.Kind, e.Err = secret.Unknown, cause(ctx, err)
		e.Detail = "the write was sent and its outcome is not known"
	default:
		e.Kind, e.Err = secret.Unavailable, cause(ctx, err)
		if e.Detail = "Key Vault cannot be reached"; errors.Is(err, errMalformed) || errors.Is(err, errForeignHost) {
			e.Detail = "Key Vault's answer is not what its API promises"
		}
	}
	return e
}

func (o op) noToken(ctx context.Context, e *secret.Error, ce *credentialError) {
	var failed *azidentity.AuthenticationFailedError
	switch {
	case ctx.Err() != nil:
		e.Kind, e.Err = secret.Unavailable, ctx.Err()
	case errors.As(ce.err, &failed) && failed.RawResponse != nil:
		// Its text is the authority's page, kept out of logs.
		e.Kind, e.Err = secret.Upstream, fmt.Errorf("no token: the authority answered %d", failed.RawResponse.StatusCode)
	default:
		e.Kind, e.Err = secret.Upstream, ce
	}
	e.Detail = "the gateway cannot get a token for Key Vault"
}

func (o op) classify(a *answer) (secret.Kind, string) {
	switch {
	case a.status == http.StatusNotFound:
		return secret.NotFound, ""
	case a.status == http.StatusForbidden && a.inner == "SecretDisabled":
		return secret.Disabled, ""
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return secret.Upstream, "Key Vault does not let the gateway do this"
	case a.status == http.StatusConflict && a.inner == "ObjectIsDeletedButRecoverable":
		return secret.Trashed, ""
	case a.status == http.StatusConflict:
		return secret.Conflict, "Key Vault is still busy with this secret"
	case a.status == http.StatusTooManyRequests:
		return secret.Throttled, ""
	case a.status == http.StatusRequestEntityTooLarge:
		return secret.TooLarge, ""
	case a.status == http.StatusBadRequest:
		return secret.Invalid, "Key Vault refused the request"
	case a.status < 500 && a.status != http.StatusRequestTimeout:
		return secret.Internal, ""
	case o.write:
		return secret.Unknown, "Key Vault failed and may have written or not"
	}
	return secret.Unavailable, "Key Vault failed to answer"
}

// cause keeps of an error what is surely no value: a network error without
// its URL, else only its type. A body that does not decode names what it met.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	if errors.Is(err, errForeignHost) || errors.Is(err, errMalformed) {
		return err
	}
	return fmt.Errorf("%T from the client", err)
}

// is reports whether err is of one of the kinds.
func is(err error, kinds ...secret.Kind) bool {
	for _, k := range kinds {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}
