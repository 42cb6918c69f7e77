package huaweicsms

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/backends"
)

// Limits of one connection; the caller's context bounds the call.
const (
	dialTimeout  = 10 * time.Second
	idleTimeout  = 90 * time.Second
	connsPerHost = readers
	maxAnswer    = 8 << 20 // far above a page of 100 or the largest value
)

// newTransport takes nothing from the environment, no proxy either.
func newTransport(c *Config) (*http.Transport, error) {
	dial := c.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	t := &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: connsPerHost,
		IdleConnTimeout:     idleTimeout,
	}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("ca_file: holds no certificate")
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
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
	backends.Tick(x.ctx)
	ctx := httptrace.WithClientTrace(x.ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { x.sent.Store(true) }})
	resp, err := x.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	x.after = retryAfter(resp.Header)
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		_ = resp.Body.Close()
		return nil, errRedirected
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	return resp, nil
}

var errRedirected = errors.New("CSMS answered with a redirection")

func retryAfter(h http.Header) time.Duration {
	s := h.Get("Retry-After")
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(n) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}
