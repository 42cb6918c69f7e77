package kit

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// Answer is an error answer of a product, less its text: what remains are
// codes, fit for a log.
type Answer struct {
	Status    int
	Code      string
	Inner     string // the reason behind the code, where a product tells one
	RequestID string
	After     time.Duration // to wait before another try
	Said      string        // why, in words that Known or OurReason returned
}

// Error implements error.
func (a *Answer) Error() string {
	return fmt.Sprintf("answer %d %q %q, request %q", a.Status, Clip(a.Code), Clip(a.Inner), Clip(a.RequestID))
}

// Clip keeps a hostile answer from filling a log.
func Clip(s string) string { return s[:min(len(s), 64)] }

// ErrMalformed is of an answer that lacks what the API promises, or does not
// decode.
var ErrMalformed = errors.New("the answer is not what the API promises")

// Op is one call to a product, for its errors. What Detail says is ours, the
// product's codes, and what Answer.Said may hold.
type Op struct {
	Backend string // "azurekv"
	Product string // "Key Vault"
	What    string // "get"
	Name    secret.Name
	Write   bool
}

// Error is one of the kind.
func (o Op) Error(k secret.Kind, detail string, cause error) *secret.Error {
	return &secret.Error{Kind: k, Op: o.Backend + "." + o.What, Name: o.Name, Detail: detail, Err: cause}
}

// Answered is the error of an answer. special knows what its codes mean; where
// it knows nothing, the status decides.
func (o Op) Answered(a *Answer, special func(*Answer) (k secret.Kind, detail string, known bool)) *secret.Error {
	k, detail, known := special(a)
	if !known {
		k, detail = o.byStatus(a.Status)
	}
	if detail != "" {
		detail += a.Told()
	}
	e := o.Error(k, detail, a)
	e.RetryAfter = a.After
	return e
}

func (o Op) byStatus(status int) (secret.Kind, string) {
	switch {
	case status == http.StatusNotFound:
		return secret.NotFound, ""
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return secret.Upstream, o.Product + " does not let the gateway do this"
	case status == http.StatusConflict:
		return secret.Conflict, o.Product + " is busy with this secret"
	case status == http.StatusTooManyRequests:
		return secret.Throttled, ""
	case status == http.StatusRequestEntityTooLarge:
		return secret.TooLarge, o.Product + " does not take so much"
	case status == http.StatusBadRequest:
		return secret.Invalid, o.Product + " refused the request"
	case status < 500 && status != http.StatusRequestTimeout:
		return secret.Internal, o.Product + " gave an answer that nobody expects"
	case o.Write:
		return secret.Unknown, o.Product + " failed and may have written or not"
	}
	return secret.Unavailable, o.Product + " failed to answer"
}

// Unanswered is the error of a call without an answer that can be read. sent
// tells whether any of it may have reached the product.
func (o Op) Unanswered(ctx context.Context, sent bool, err error) *secret.Error {
	switch {
	case errors.Is(err, ErrRedirect):
		return o.Error(secret.Internal, "", ErrRedirect)
	case o.Write && sent:
		return o.Error(secret.Unknown, "the write was sent and its outcome is not known", Cause(ctx, err))
	case errors.Is(err, ErrMalformed):
		return o.Error(secret.Unavailable, o.Product+"'s answer is not what its API promises", Cause(ctx, err))
	}
	return o.Error(secret.Unavailable, o.Product+" cannot be reached", Cause(ctx, err))
}

// Partly is the error of a call of which a part is done. What is not known
// stays so. Why it is not more stands in the detail too.
func (o Op) Partly(detail string, err error) *secret.Error {
	if why := secret.DetailOf(err); why != "" {
		detail += ": " + why
	}
	e := o.Error(secret.Partial, detail, secret.Cause(err))
	if inner, ok := errors.AsType[*secret.Error](err); ok {
		e.RetryAfter = inner.RetryAfter
	}
	if Is(err, secret.Unknown) {
		e.Kind = secret.Unknown
	}
	return e
}

// Cause keeps of an error what is surely no value: a network error without its
// URL, else only its type. A body that does not decode names what it met.
func Cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	if errors.Is(err, ErrMalformed) {
		return ErrMalformed
	}
	return fmt.Errorf("%T from the client", err)
}

// Is reports whether err is of one of the kinds.
func Is(err error, kinds ...secret.Kind) bool {
	return err != nil && slices.Contains(kinds, secret.KindOf(err))
}
