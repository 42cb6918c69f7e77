package pki

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
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

// TestLoad: an authority that was kept signs what its clients take, and nothing else
// passes for one.
func TestLoad(t *testing.T) {
	t.Parallel()
	now := time.Now()
	a, err := New(now)
	if err != nil {
		t.Fatal(err)
	}
	key, err := a.Key()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := Load(a.Cert(), key, now)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := kept.Issue([]string{"a.vault.localhost", "127.0.0.1"}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := handshake(t, pair, a.Pool(), "a.vault.localhost", now); err != nil {
		t.Error(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	if got := Hosts(cert.Leaf); !slices.Equal(got, []string{"a.vault.localhost", "127.0.0.1"}) {
		t.Errorf("hosts: %v", got)
	}
	late := now.Add(caLife - time.Hour)
	if pair, err = kept.Issue([]string{"a.vault.localhost"}, late); err != nil {
		t.Fatal(err)
	}
	if cert, err = pair.TLS(); err != nil || cert.Leaf.NotAfter.After(a.cert.NotAfter) {
		t.Errorf("it outlives its authority: %v", err)
	}
	other, err := New(now)
	if err != nil {
		t.Fatal(err)
	}
	otherKey, err := other.Key()
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string]struct {
		cert, key []byte
		at        time.Time
	}{
		"another key":         {a.Cert(), otherKey, now},
		"no authority":        {pair.Cert, pair.Key, now},
		"one that ended":      {a.Cert(), key, now.Add(caLife + time.Hour)},
		"one that is to come": {a.Cert(), key, now.Add(-2 * skew)},
		"nothing":             {nil, nil, now},
	} {
		if _, err := Load(bad.cert, bad.key, bad.at); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
