// Package pki makes a certificate authority for one gateway and its server
// certificates. Whoever has the authority's key can pass for any host to whoever
// trusts the authority.
package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	caLife = 10 * 365 * 24 * time.Hour
	// ServerLife is the longest that clients of all systems accept.
	ServerLife = 397 * 24 * time.Hour
	// skew lets clients in whose clock is behind.
	skew = time.Hour
)

// Authority signs certificates of servers and clients.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Pair is a certificate with its key, both PEM.
type Pair struct {
	Cert, Key []byte
}

// New returns an authority of its own.
func New(now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "vaultferry private CA"},
		NotBefore: now.Add(-skew), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, err := sign(t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return &Authority{cert: cert, key: key}, nil
}

func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	b[0] &= 0x7f
	return new(big.Int).SetBytes(b)
}

func sign(t, parent *x509.Certificate, pub *ecdsa.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return cert, nil
}

// Cert is the authority's certificate, PEM: what clients are told to trust.
func (a *Authority) Cert() []byte { return encode("CERTIFICATE", a.cert.Raw) }

// Key is the authority's private key, PEM.
func (a *Authority) Key() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	return encode("PRIVATE KEY", der), nil
}

// Load returns the authority of a certificate and its key, both PEM, that can sign
// at now.
func Load(cert, key []byte, now time.Time) (*Authority, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "tls: "))
	}
	c, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("pki: %w", err)
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	switch {
	case !ok || !c.IsCA || c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
		return nil, errors.New("the certificate is none of an authority")
	case now.After(c.NotAfter):
		return nil, fmt.Errorf("the authority's certificate ended at %s", c.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(c.NotBefore):
		return nil, errors.New("the authority's certificate is not valid yet")
	}
	return &Authority{cert: c, key: signer}, nil
}

// Pool holds the authority alone.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// Hosts are the names and addresses that a certificate is valid for.
func Hosts(cert *x509.Certificate) []string {
	hosts := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		hosts = append(hosts, ip.String())
	}
	return hosts
}

// IssueClient returns a client certificate for the names: URIs, mail addresses
// or host names.
func (a *Authority) IssueClient(names []string, from, until time.Time) (Pair, error) {
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "vaultferry client"}, NotBefore: from, NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	for _, n := range names {
		u, err := url.Parse(n)
		switch {
		case err == nil && u.Scheme != "":
			t.URIs = append(t.URIs, u)
		case strings.Contains(n, "@"):
			t.EmailAddresses = append(t.EmailAddresses, n)
		default:
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	return a.issue(t)
}

// Issue returns a server certificate for the hosts, names or IP addresses. It does
// not outlive the authority.
func (a *Authority) Issue(hosts []string, now time.Time) (Pair, error) {
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "vaultferry"},
		NotBefore: now.Add(-skew), NotAfter: earlier(now.Add(ServerLife), a.cert.NotAfter),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return a.issue(t)
}

func (a *Authority) issue(t *x509.Certificate) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("pki: %w", err)
	}
	cert, err := sign(t, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return Pair{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("pki: %w", err)
	}
	pair := Pair{Cert: encode("CERTIFICATE", cert.Raw), Key: encode("PRIVATE KEY", der)}
	if !bytes.Equal(a.cert.RawIssuer, a.cert.RawSubject) { // clients trust another one, which signed this one
		pair.Cert = append(pair.Cert, a.Cert()...)
	}
	return pair, nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// TLS returns the pair for a server.
func (p Pair) TLS() (tls.Certificate, error) { return tls.X509KeyPair(p.Cert, p.Key) }

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
