package httpd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// ACMEOptions make an ACME. All fields but Email and Roots are needed.
type ACMEOptions struct {
	Directory string // of the ACME server: a URL
	Dir       string // for the account's key, the certificates and their keys
	Email     string
	Roots     *x509.CertPool // of the server's own certificate; nil: the system's
	Log       *slog.Logger
}

// ACME gets certificates from an ACME server by tls-alpn-01, and renews them. It is
// safe for concurrent use.
type ACME struct {
	o       ACMEOptions
	manager *autocert.Manager
	hosts   atomic.Pointer[map[string]bool]
}

// acmeTimeout bounds one request to the ACME server.
const acmeTimeout = time.Minute

// NewACME returns one that gets no certificate before UseHosts. Its caller has
// accepted the terms of the server.
func NewACME(o ACMEOptions) *ACME {
	a := &ACME{o: o}
	a.hosts.Store(&map[string]bool{})
	a.manager = &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(o.Dir), Email: o.Email, HostPolicy: a.admit,
		Client: &acme.Client{DirectoryURL: o.Directory, HTTPClient: &http.Client{
			Timeout:   acmeTimeout,
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}},
		}},
	}
	return a
}

func (a *ACME) admit(_ context.Context, host string) error {
	if (*a.hosts.Load())[host] {
		return nil
	}
	return fmt.Errorf("httpd: %q is none of this gateway's hosts", host)
}

// UseHosts gets certificates for these hosts from now on, and no others: in the
// background, so that no client waits for one.
func (a *ACME) UseHosts(hosts []string) {
	admitted := map[string]bool{}
	for _, h := range hosts {
		admitted[h] = true
	}
	before := *a.hosts.Swap(&admitted)
	for _, h := range slices.Sorted(maps.Keys(admitted)) {
		if !before[h] {
			go a.obtain(h)
		}
	}
}

// obtain asks as a client does that knows ECDSA.
func (a *ACME) obtain(host string) {
	cert, err := a.Certificate(&tls.ClientHelloInfo{
		ServerName: host, CipherSuites: suites, SupportedVersions: []uint16{tls.VersionTLS13, tls.VersionTLS12},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
	})
	if err != nil {
		a.o.Log.Error("there is no certificate for a host; it is asked for again when a client comes", slog.String("host", host), slog.Any("error", err))
		return
	}
	a.o.Log.Info("there is a certificate for a host", slog.String("host", host), slog.Time("until", cert.Leaf.NotAfter))
}

// Certificate is a tls.Config's GetCertificate.
func (a *ACME) Certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return a.manager.GetCertificate(hello)
}

// Ends are those of the certificates that there are, by host.
func (a *ACME) Ends() map[string]time.Time {
	ends := map[string]time.Time{}
	for host := range *a.hosts.Load() {
		file := filepath.Join(a.o.Dir, host) // the key and the chain
		if pair, err := tls.LoadX509KeyPair(file, file); err == nil {
			ends[host] = pair.Leaf.NotAfter
		}
	}
	return ends
}

// challenge is for a connection by which an ACME server proves a host: it has no
// certificate of a client, and no request comes.
func challenge(c *tls.Config, hello *tls.ClientHelloInfo) *tls.Config {
	if c.GetCertificate == nil || !slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		return c
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{acme.ALPNProto}, GetCertificate: c.GetCertificate}
}
