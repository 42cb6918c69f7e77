package huaweicsms

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
)

// maxAnswer is far above a page of 100 or the largest value.
const maxAnswer = 8 << 20

func newTransport(c *Config) (*http.Transport, error) {
	return kit.Transport{Roots: c.roots(), Conns: readers, Dial: c.Dial}.Open()
}

// exchange is the transport of one call. The vendor's client knows no
// contexts, so each call has a transport that brings the caller's along: what
// the client sends ends with it, the reading of the answer too.
type exchange struct {
	ctx   context.Context // of the one call that the exchange lives for
	next  http.RoundTripper
	sent  atomic.Bool // any of it may have left this machine
	after time.Duration
}

// RoundTrip implements http.RoundTripper. It refuses redirections, which the
// vendor's client would take for successes.
func (x *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	backends.CountCall(x.ctx)
	ctx := httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { x.sent.Store(true) }})
	resp, err := x.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	x.after = kit.RetryAfter(resp.Header)
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		_ = resp.Body.Close()
		return nil, errRedirected
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	return resp, nil
}

var errRedirected = errors.New("the answer is a redirection")
