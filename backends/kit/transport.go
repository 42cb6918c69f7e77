package kit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Limits of one connection; the caller's context bounds the call.
const (
	dialTimeout = 10 * time.Second
	idleTimeout = 90 * time.Second
)

// Transport is how a product is reached over HTTPS. It takes nothing from the
// environment, no proxy either.
type Transport struct {
	CAFile string // of certificates to trust beside the system's; may be empty
	Conns  int    // idle ones that are kept
	// Dial replaces the dialer in tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Open reads the CA file. Its errors begin with "ca_file: ".
func (o Transport) Open() (*http.Transport, error) {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	t := &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: o.Conns,
		IdleConnTimeout:     idleTimeout,
	}
	if o.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(o.CAFile)
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

// maxRetryAfter bounds what a product can make clients wait.
const maxRetryAfter = time.Hour

// RetryAfter reads the header of that name, seconds or a date. Zero: there is
// none, or none that can be read.
func RetryAfter(h http.Header) time.Duration {
	s := h.Get("Retry-After")
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return min(max(time.Until(t), 0), maxRetryAfter)
	}
	return 0
}
