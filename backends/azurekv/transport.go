package azurekv

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
)

// Limits of one answer.
const (
	maxAnswer = 8 << 20  // far above a page of 25 or the largest value
	maxBackup = 64 << 20 // far above 500 versions, encoded twice
)

func newTransport(c *Config) (*http.Transport, error) {
	return kit.Transport{Roots: c.roots(), Conns: readers, Dial: c.Dial}.Open()
}

// plainClient follows no redirect: a token never goes where the configuration
// did not send it.
func plainClient(rt http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     rt,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// vaultOnly counts each request, notes whether a write may have left this
// machine, which is so from the moment it has a connection, and refuses every
// host but the vault's: a page's nextLink is followed as it is, token included.
type vaultOnly struct {
	host string // with port
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (v vaultOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" || hostPort(r.URL) != v.host {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errForeignHost
	}
	ctx := r.Context()
	backends.CountCall(ctx)
	if sent, ok := ctx.Value(sentKey{}).(*atomic.Bool); ok && r.Header.Get("Authorization") != "" {
		r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }}))
	}
	resp, err := v.next.RoundTrip(r)
	if err == nil {
		most := int64(maxAnswer)
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/backup") {
			most = maxBackup
		}
		resp.Body = http.MaxBytesReader(nil, resp.Body, most)
	}
	return resp, err
}

var errForeignHost = errors.New("the vault sent a link to another host")

// hostPort is the host in the form that tells https://h from https://h:444 but
// not from https://h:443.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

type sentKey struct{}

// watchSend returns a context for one write, and the function that says
// whether any of it may have reached the vault with our token. The request
// without a token that asks for the challenge does not count.
func watchSend(ctx context.Context) (context.Context, func() bool) {
	sent := new(atomic.Bool)
	return context.WithValue(ctx, sentKey{}, sent), sent.Load
}
