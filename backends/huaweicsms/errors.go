package huaweicsms

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"

	"github.com/vaultferry/vaultferry/secret"
)

// answer is an error answer of the service, less its text: what remains are
// codes, fit for a log.
type answer struct {
	status    int
	code      string
	requestID string
	after     time.Duration
}

func (a *answer) Error() string {
	return fmt.Sprintf("answer %d %q, request %q", a.status, a.code, a.requestID)
}

// clip keeps a hostile answer from filling a log.
func clip(s string) string { return s[:min(len(s), 64)] }

// errMalformed: the answer lacks what the API promises, or does not decode.
var errMalformed = errors.New("the answer is not what the API promises")

// op is one call to the service, for its error.
type op struct {
	name  secret.Name
	what  string
	write bool
}

// fail turns any error of the client into ours. The result never holds text of
// the service; the cause keeps only what cannot hold a value.
func (o op) fail(x *exchange, err error) error {
	e := &secret.Error{Op: "huaweicsms." + o.what, Name: o.name}
	var re *sdkerr.ServiceResponseError
	switch {
	case errors.As(err, &re) && re.StatusCode >= 400:
		a := &answer{status: re.StatusCode, code: clip(re.ErrorCode), requestID: clip(re.RequestId), after: x.after}
		e.Err, e.RetryAfter = a, a.after
		e.Kind, e.Detail = o.classify(a)
	case errors.Is(err, errRedirected):
		e.Kind, e.Err = secret.Internal, errRedirected
	case o.write && x.sent.Load():
		e.Kind, e.Err = secret.Unknown, cause(x.ctx, err)
		e.Detail = "the write was sent and its outcome is not known"
	default:
		e.Kind, e.Err = secret.Unavailable, cause(x.ctx, err)
		if e.Detail = "CSMS cannot be reached"; errors.As(err, &re) || errors.Is(err, errMalformed) {
			e.Detail = "CSMS's answer is not what its API promises"
		}
	}
	return e
}

// unsigned is the error of a call that was not made for want of a key.
func (o op) unsigned(err error) error {
	return &secret.Error{Kind: secret.KindOf(err), Op: "huaweicsms." + o.what, Name: o.name, Detail: secret.DetailOf(err), Err: secret.Cause(err)}
}

// Codes that several answers turn on.
const (
	codePending  = "CSMS.0103" // the secret is to be deleted
	codePending2 = "CSMS.0107"
	codeLive     = "CSMS.0108" // it is not
	codeState    = "CSMS.0109" // it is not enabled
)

// classify goes by the status first: codes may be missing, and one that says
// that a secret is missing comes with 404 or with 400.
func (o op) classify(a *answer) (secret.Kind, string) {
	switch {
	case a.status == http.StatusNotFound && strings.HasPrefix(a.code, "APIGW."):
		return secret.Upstream, "there is no CSMS at the store's endpoint"
	case a.status == http.StatusNotFound:
		return secret.NotFound, ""
	case a.status == http.StatusForbidden && a.code == codeState:
		return secret.Disabled, ""
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return secret.Upstream, "CSMS does not let the gateway do this"
	case a.status == http.StatusConflict:
		return secret.Conflict, "CSMS is busy with this secret"
	case a.status == http.StatusTooManyRequests:
		return secret.Throttled, ""
	case a.status == http.StatusRequestEntityTooLarge:
		return secret.TooLarge, ""
	case a.status == http.StatusBadRequest:
		return refused(a.code)
	case a.status < 500 && a.status != http.StatusRequestTimeout:
		return secret.Internal, ""
	case o.write:
		return secret.Unknown, "CSMS failed and may have written or not"
	}
	return secret.Unavailable, "CSMS failed to answer"
}

// refused is what a 400 means.
func refused(code string) (secret.Kind, string) {
	switch code {
	case "CSMS.0005", "CSMS.0106", codeLive:
		return secret.NotFound, ""
	case codePending, codePending2:
		return secret.Trashed, ""
	case codeState:
		return secret.Disabled, ""
	case "CSMS.0202":
		return secret.TooLarge, "the account holds as many secrets as CSMS allows"
	case "CSMS.0203", "CSMS.0204":
		return secret.TooLarge, tooManyLabels
	case "CSMS.0301":
		return secret.Upstream, "CSMS does not let the gateway do this"
	}
	if code == "CSMS.0401" || strings.HasPrefix(code, "KMS.") {
		return secret.Upstream, "CSMS cannot use the key of the secret"
	}
	return secret.Invalid, "CSMS refused the request"
}

// cause keeps of an error what is surely no value: a network error without its
// URL, else only its type. A body that does not decode names what it met.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	if errors.Is(err, errMalformed) {
		return errMalformed
	}
	return fmt.Errorf("%T from the client", err)
}

// is reports whether err is of one of the kinds.
func is(err error, kinds ...secret.Kind) bool {
	return err != nil && slices.Contains(kinds, secret.KindOf(err))
}

// partly is the error of a call of which a part is done. What is not known
// stays so.
func partly(what string, name secret.Name, detail string, err error) error {
	e := &secret.Error{Kind: secret.Partial, Op: "huaweicsms." + what, Name: name, Detail: detail, Err: secret.Cause(err)}
	if inner, ok := errors.AsType[*secret.Error](err); ok {
		e.RetryAfter = inner.RetryAfter
	}
	if is(err, secret.Unknown) {
		e.Kind = secret.Unknown
	}
	return e
}
