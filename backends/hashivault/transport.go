package hashivault

import (
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// pair is read anew at each handshake: certificates are replaced before they
// end.
func (c *TLS) pair(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	return &pair, err
}

// newTransport keeps as many idle connections as one call may use, and knows
// no proxy: a store is reached where the configuration says.
func newTransport(c *TLS) (*http.Transport, error) {
	pool, err := c.roots().Pool()
	if err != nil {
		return nil, &secret.Error{Kind: secret.Invalid, Detail: "tls." + err.Error()}
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName, RootCAs: pool}
	if c.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile); err != nil {
			return nil, &secret.Error{Kind: secret.Invalid, Detail: "tls.cert_file and tls.key_file are no pair", Err: err}
		}
		conf.GetClientCertificate = c.pair
	}
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     conf,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        8 * inFlight,
		MaxIdleConnsPerHost: 8 * inFlight,
		IdleConnTimeout:     90 * time.Second,
	}, nil
}
