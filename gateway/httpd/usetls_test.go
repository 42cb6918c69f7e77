package httpd_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/gateway/httpd"
)

// TestUseTLS: who has a session of before shows its certificate again, by the
// authorities that count now.
func TestUseTLS(t *testing.T) {
	t.Parallel()
	signed := func() (*x509.CertPool, tls.Certificate) { // by itself
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		of := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
			NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		}
		der, err := x509.CreateCertificate(rand.Reader, of, of, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		pool := x509.NewCertPool()
		pool.AddCert(leaf)
		return pool, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	}
	servers, cert := signed()
	before, client := signed()
	after, _ := signed()
	wanting := func(cas *x509.CertPool) *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: cas, ClientAuth: tls.RequireAndVerifyClientCert}
	}
	s, err := httpd.New(httpd.Options{Dialects: []dialects.Dialect{told{text: "hello"}}, Address: "127.0.0.1:0", TLS: wanting(before), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s.UseTLS(wanting(before))
		config := &tls.Config{
			RootCAs: servers, ServerName: "localhost", MaxVersion: version,
			ClientSessionCache: tls.NewLRUClientSessionCache(4),
			// Whatever is asked for: who tries to get in does not look at that.
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &client, nil },
		}
		for _, want := range []bool{false, true} {
			if resumed, err := hello(t, s.Address(), config); err != nil || resumed != want {
				t.Fatalf("%s: resumed: %v, %v", tls.VersionName(version), resumed, err)
			}
		}
		s.UseTLS(wanting(after))
		if _, err := hello(t, s.Address(), config); err == nil {
			t.Errorf("%s: a session of an authority that counts no more is resumed", tls.VersionName(version))
		}
	}
}

// hello makes one request on a connection of its own.
func hello(t *testing.T, address string, config *tls.Config) (resumed bool, err error) {
	t.Helper()
	conn, err := tls.Dial("tcp", address, config)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")); err != nil {
		return false, err
	}
	_, err = conn.Read(make([]byte, 1)) // TLS 1.3 tells a refused certificate here, and gives tickets
	return conn.ConnectionState().DidResume, err
}
