package kit

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/vaultferry/vaultferry/internal/pemfile"
)

// Limits of one connection; the caller's context bounds the call.
const (
	dialTimeout = 10 * time.Second
	idleTimeout = 90 * time.Second
)

// Transport is how a product is reached over HTTPS. It takes nothing from the
// environment, no proxy either.
type Transport struct {
	Roots Roots
	// CertFile and KeyFile are who we are, where a server asks; may be empty.
	CertFile, KeyFile string
	ServerName        string // of the certificate, where it is not the address; may be empty
	Conns             int    // idle ones that are kept
	// Dial replaces the dialer in tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Roots says which certificate authorities a client trusts; empty: those of
// the system.
type Roots struct {
	CAFile      string // PEM; replaces the system's
	ExtraCAFile string // PEM; adds to the system's
}

// Validate refuses both files together. Its error begins with "ca_file: ".
func (r Roots) Validate() error {
	if r.CAFile != "" && r.ExtraCAFile != "" {
		return errors.New("ca_file: replaces the system's certificate authorities and extra_ca_file adds to them: choose one")
	}
	return nil
}

// Pool reads the file. Nil: the system's. Its errors begin with "ca_file: " or
// "extra_ca_file: ".
func (r Roots) Pool() (*x509.CertPool, error) {
	if err := r.Validate(); err != nil {
		return nil, err
	}
	switch {
	case r.CAFile != "":
		return withFile(x509.NewCertPool(), "ca_file", r.CAFile)
	case r.ExtraCAFile != "":
		pool, err := x509.SystemCertPool()
		if err != nil {
			return nil, fmt.Errorf("extra_ca_file: the system's certificate authorities cannot be read: %w", err)
		}
		return withFile(pool, "extra_ca_file", r.ExtraCAFile)
	}
	return nil, nil
}

func withFile(pool *x509.CertPool, key, file string) (*x509.CertPool, error) {
	if err := pemfile.AddTo(pool, file); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return pool, nil
}

// Open returns the errors of Roots as they are. Its own begins with "cert_file: ".
func (o Transport) Open() (*http.Transport, error) {
	dial := o.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	pool, err := o.Roots.Pool()
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, ServerName: o.ServerName}
	if o.CertFile != "" {
		if _, err := o.pair(nil); err != nil {
			return nil, fmt.Errorf("cert_file: %w", err)
		}
		conf.GetClientCertificate = o.pair
	}
	return &http.Transport{
		DialContext:         dial,
		TLSClientConfig:     conf,
		TLSHandshakeTimeout: dialTimeout,
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: o.Conns,
		IdleConnTimeout:     idleTimeout,
	}, nil
}

// pair is read anew at each handshake: certificates are replaced before they
// end.
func (o Transport) pair(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := pemfile.Pair(o.CertFile, o.KeyFile)
	return &pair, err
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
