package pki

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"
)

// handshake returns what a client that trusts pool says of the server.
func handshake(t *testing.T, pair Pair, pool *x509.CertPool, host string, now time.Time) error {
	t.Helper()
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_ = c.(*tls.Conn).HandshakeContext(t.Context()) // the client tells
		_ = c.Close()
	}()
	d := tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: host, Time: func() time.Time { return now }, MinVersion: tls.VersionTLS12}}
	c, err := d.DialContext(t.Context(), "tcp", ln.Addr().String())
	if err == nil {
		_ = c.Close()
	}
	_ = ln.Close()
	<-done
	return err
}

func TestIssue(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a, err := New(now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := New(now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := a.Issue([]string{"a.vault.localhost", "127.0.0.1", "::1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	parsed := x509.NewCertPool()
	if !parsed.AppendCertsFromPEM(a.Cert()) {
		t.Fatal("the authority's PEM holds no certificate")
	}
	for _, tt := range []struct {
		name string
		pool *x509.CertPool
		host string
		at   time.Time
		ok   bool
	}{
		{"name", a.Pool(), "a.vault.localhost", now, true},
		{"address", a.Pool(), "127.0.0.1", now, true},
		{"address of six", parsed, "::1", now, true},
		{"clock behind", a.Pool(), "127.0.0.1", now.Add(-30 * time.Minute), true},
		{"another name", a.Pool(), "b.vault.localhost", now, false},
		{"another authority", other.Pool(), "a.vault.localhost", now, false},
		{"expired", a.Pool(), "a.vault.localhost", now.Add(ServerLife + time.Minute), false},
	} {
		if err := handshake(t, pair, tt.pool, tt.host, tt.at); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
