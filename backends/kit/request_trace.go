package kit

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/backends"
)

// RequestTrace is what the transport learned of the requests of one call.
type RequestTrace struct {
	sent  atomic.Bool
	after atomic.Int64
	why   atomic.Value
}

// Sent reports whether any request got a connection: it may have left this
// machine.
func (t *RequestTrace) Sent() bool { return t.sent.Load() }

// RetryAfter is how long the last answer asks to wait, or zero.
func (t *RequestTrace) RetryAfter() time.Duration { return time.Duration(t.after.Load()) }

// Reason is the one that another gateway gave with the last answer, or empty.
func (t *RequestTrace) Reason() string {
	why, _ := t.why.Load().(string)
	return why
}

type traceKey struct{}

// WithTrace returns a context whose requests through Metered are traced.
func WithTrace(ctx context.Context) (context.Context, *RequestTrace) {
	t := new(RequestTrace)
	return context.WithValue(ctx, traceKey{}, t), t
}

// Metered counts each request as a call to the product, gives it a span, traces it, refuses
// redirections (ErrRedirect), which clients take for success or follow with
// their credentials, and bounds what an answer may hold.
type Metered struct {
	Next http.RoundTripper
	// MaxAnswer is in bytes.
	MaxAnswer func(*http.Request) int64
	// Proves reports whether a request carries credentials: without them it
	// changes nothing, and does not count as sent. Nil: all do.
	Proves func(*http.Request) bool
}

// ErrRedirect is the error of an answer that is a redirection.
var ErrRedirect = errors.New("the answer is a redirection")

// RoundTrip implements http.RoundTripper.
func (m Metered) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := startSpan(r.Context(), r)
	if span.SpanContext().IsValid() {
		r = withParent(ctx, r)
	}
	resp, err := m.roundTrip(ctx, r)
	endSpan(span, resp, err)
	return resp, err
}

func (m Metered) roundTrip(ctx context.Context, r *http.Request) (*http.Response, error) {
	backends.CountCall(ctx)
	t, traced := ctx.Value(traceKey{}).(*RequestTrace)
	if traced && (m.Proves == nil || m.Proves(r)) {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { t.sent.Store(true) }})
		r = r.WithContext(ctx)
	}
	resp, err := m.Next.RoundTrip(r)
	if err != nil {
		backends.CountAnswer(ctx, 0)
		return nil, err
	}
	backends.CountAnswer(ctx, resp.StatusCode)
	if traced {
		t.after.Store(int64(RetryAfter(resp.Header)))
		t.why.Store(OurReason(resp.Header.Get(ReasonHeader)))
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		_ = resp.Body.Close()
		return nil, ErrRedirect
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, m.MaxAnswer(r))
	return resp, nil
}
