package gatewaytest

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/pki"
)

// newTLS makes a CA, and a certificate of it for every host that tests use.
func newTLS(t testing.TB) (pool *x509.CertPool, caPEM []byte, server *tls.Config) {
	t.Helper()
	now := time.Now()
	ca, err := pki.New(now)
	must(t, err)
	pair, err := ca.Issue([]string{"localhost", "*.vault.localhost", "127.0.0.1", "::1"}, now)
	must(t, err)
	cert, err := pair.TLS()
	must(t, err)
	return ca.Pool(), ca.Cert(), &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
}

func clientTLS(pool *x509.CertPool) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
}
