package gatewaytest

import (
	"crypto/x509"
	"testing"
)

// Connection is all that a client of a Gateway needs, in a form that goes from one
// process to another. It holds the caller's credentials.
type Connection struct {
	Address                     string
	CAPEM                       []byte
	Token, AccessKey, SecretKey string
}

// Connection is that of g.
func (g *Gateway) Connection() Connection {
	return Connection{Address: g.Address, CAPEM: g.CAPEM, Token: g.Token, AccessKey: g.AccessKey, SecretKey: g.SecretKey}
}

// Gateway is one that runs in another process: what clients use of it works,
// and nothing else is there.
func (c Connection) Gateway(t testing.TB) *Gateway {
	t.Helper()
	g := &Gateway{
		Address: c.Address, CA: x509.NewCertPool(), CAPEM: c.CAPEM,
		Token: c.Token, AccessKey: c.AccessKey, SecretKey: c.SecretKey,
	}
	if !g.CA.AppendCertsFromPEM(c.CAPEM) {
		t.Fatal("the card has no certificate")
	}
	g.newClient(t)
	return g
}
