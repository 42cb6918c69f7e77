package issuer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/vaultferry/vaultferry/internal/pemfile"
)

// fetcher gets the keys of one issuer. Whatever is said is bounded in bytes and
// in time.
type fetcher struct {
	issuer, jwksURL string
	client          *http.Client
}

func newFetcher(i Issuer, ca []byte) (*fetcher, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if ca != nil {
		conf.RootCAs = x509.NewCertPool()
		if err := pemfile.AddText(conf.RootCAs, i.CAFile, ca); err != nil {
			return nil, err
		}
	}
	t := &bounded{
		next: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: conf, TLSHandshakeTimeout: fetchTimeout, ForceAttemptHTTP2: true,
			MaxResponseHeaderBytes: maxDocument, IdleConnTimeout: time.Minute, MaxIdleConns: 1,
		},
		bearer: i.BearerTokenFile, hosts: map[string]bool{},
	}
	for _, s := range []string{i.URL, i.JWKSURL} {
		if u, err := url.Parse(s); err == nil && u.Scheme == "https" {
			t.hosts[u.Host] = true
		}
	}
	return &fetcher{issuer: i.URL, jwksURL: i.JWKSURL, client: &http.Client{
		Transport: t, Timeout: fetchTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}}, nil
}

var errRedirect = errors.New("it answers with a redirect, which is not followed: give the URL that it leads to as jwks_url")

// fetch gets the keys from where the configuration, or else the discovery
// document, says that they are.
func (f *fetcher) fetch(ctx context.Context) (*jwks, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*fetchTimeout)
	defer cancel()
	from := f.jwksURL
	if from == "" {
		var err error
		if from, err = f.discover(ctx); err != nil {
			return nil, err
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", from, resp.StatusCode)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	set, err := parseKeys(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return set, nil
}

// discover reads the discovery document, which must be the issuer's own.
func (f *fetcher) discover(ctx context.Context) (string, error) {
	p, err := oidc.NewProvider(oidc.ClientContext(ctx, f.client), f.issuer)
	if err != nil {
		const most = 300 // it may quote a page
		if s := err.Error(); len(s) > most {
			err = errors.New(s[:most] + "...")
		}
		return "", fmt.Errorf("discovery: %w", err)
	}
	var said struct {
		JWKS string `json:"jwks_uri"`
	}
	if err := p.Claims(&said); err != nil {
		return "", fmt.Errorf("discovery: %w", err)
	}
	if u, err := url.Parse(said.JWKS); err != nil || u.Scheme != "https" || u.Host == "" {
		return "", errors.New("discovery: jwks_uri is not an https URL")
	}
	return said.JWKS, nil
}

// bounded is a transport that reads no more than maxDocument, and shows the
// bearer token to the hosts that the configuration names.
type bounded struct {
	next   http.RoundTripper
	bearer string // a file
	hosts  map[string]bool
}

// RoundTrip implements http.RoundTripper.
func (t *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.bearer != "" && t.hosts[r.URL.Host] {
		b, err := readBounded(t.bearer, maxToken)
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(b)))
	}
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxDocument)
	return resp, nil
}
