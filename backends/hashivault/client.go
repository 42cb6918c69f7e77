package hashivault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// inFlight bounds the parallel reads of one call, and the idle connections.
const inFlight = 16

// maxAnswer bounds an answer: the metadata of tens of thousands of versions.
const maxAnswer = 64 << 20

// client speaks to one server. It never retries by itself, follows no
// redirect and takes nothing from VAULT_* variables.
type client struct {
	api   *api.Client
	login *login // nil with a fixed token
	close func()

	doubtful atomic.Pointer[func(context.Context) error]
}

// doubt asks confirm before each request, until it agrees.
func (c *client) doubt(confirm func(context.Context) error) { c.doubtful.Store(&confirm) }

// newClient builds the client. base overrides the transport in tests.
func newClient(c *Config, base http.RoundTripper) (*client, error) {
	closer := func() {}
	if base == nil {
		t, err := newTransport(&c.TLS)
		if err != nil {
			return nil, err
		}
		base, closer = t, t.CloseIdleConnections
	}
	conf := &api.Config{
		Address: c.Address, HttpClient: &http.Client{Transport: metered{base}},
		MaxRetries: 0, DisableRedirects: true,
	}
	v, err := api.NewClient(conf)
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "hashivault: the client cannot be set up: %v", err)
	}
	v.SetMaxRetries(0)
	v.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})         // less those of VAULT_HEADERS
	v.SetWrappingLookupFunc(func(string, string) string { return "" }) // nor VAULT_WRAP_TTL
	v.ClearNamespace()
	if c.Namespace != "" {
		v.SetNamespace(c.Namespace)
	}
	v.SetToken(string(c.Token.Reveal()))
	return &client{api: v, login: newLogin(v, c.method()), close: closer}, nil
}

// fate is what the transport learned about one request.
type fate struct {
	connected  bool
	retryAfter time.Duration
}

type fateKey struct{}

// metered counts each request and notes its fate.
type metered struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (m metered) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	backends.CountCall(ctx)
	f, _ := ctx.Value(fateKey{}).(*fate)
	if f == nil { // a login, or a renewal
		f = new(fate)
	}
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { f.connected = true }}
	resp, err := m.next.RoundTrip(r.WithContext(httptrace.WithClientTrace(ctx, trace)))
	switch {
	case err == nil && resp.StatusCode >= 300 && resp.StatusCode < 400:
		_ = resp.Body.Close() // the client would take it for success
		return nil, errRedirect
	case err == nil:
		f.retryAfter = kit.RetryAfter(resp.Header)
	}
	return resp, err
}

// call makes one request and decodes its answer into out, unless that is nil.
// An answer 404 with data, which is how a deleted version looks, decodes too
// and is no error.
func (c *client) call(ctx context.Context, wrote bool, out any, send func(context.Context) (*api.Response, error)) error {
	if confirm := c.doubtful.Load(); confirm != nil {
		if err := (*confirm)(ctx); err != nil {
			return err
		}
		c.doubtful.Store(nil)
	}
	return c.settled(ctx, wrote, out, send)
}

func (c *client) settled(ctx context.Context, wrote bool, out any, send func(context.Context) (*api.Response, error)) error {
	err := begin(ctx)
	if err == nil {
		err = c.login.ensure(ctx)
	}
	if err != nil {
		return err
	}
	number := c.login.number()
	err = once(ctx, wrote, out, send)
	if errors.Is(err, secret.Upstream) && c.login.again(ctx, number, err) {
		return once(ctx, wrote, out, send) // 403: the first changed nothing
	}
	return err
}

func once(ctx context.Context, wrote bool, out any, send func(context.Context) (*api.Response, error)) error {
	f := new(fate)
	resp, err := send(context.WithValue(ctx, fateKey{}, f))
	if resp != nil {
		defer func() { _ = resp.Body.Close() }()
	}
	if err != nil {
		if resp != nil && resp.StatusCode == http.StatusNotFound && out != nil && decode(resp, out) == nil {
			return nil
		}
		if !f.connected { // though the caller's end may be all that the client tells
			err = errors.Join(errUnsent, err)
		}
		err = classify(err, wrote)
		var e *secret.Error
		if errors.As(err, &e) && f.retryAfter > 0 {
			e.RetryAfter = f.retryAfter
		}
		return err
	}
	if out == nil {
		return nil
	}
	if err := decode(resp, out); err != nil {
		return classify(err, wrote)
	}
	return nil
}

var errNoData = errors.New("the answer holds no data")

// decode reads the envelope of every answer.
func decode(resp *api.Response, out any) error {
	var body bytes.Buffer
	if n := resp.ContentLength; n > 0 {
		body.Grow(int(min(n, likelyAnswer)) + bytes.MinRead)
	}
	if _, err := body.ReadFrom(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return err
	}
	var envelope struct {
		Data member `json:"data"`
	}
	if err := json.Unmarshal(body.Bytes(), &envelope); err != nil {
		return err
	}
	if len(envelope.Data) == 0 || string(envelope.Data) == "null" {
		return errNoData
	}
	return json.Unmarshal(envelope.Data, out)
}

// likelyAnswer is as much room as an answer is given before it has come.
const likelyAnswer = 1 << 20

// member is JSON as it stands in what is decoded, and part of that: a value is
// large, and is not copied at each layer.
type member []byte

// UnmarshalJSON keeps b, which nobody changes: all of the answer is in memory
// that is this answer's alone.
func (m *member) UnmarshalJSON(b []byte) error {
	*m = b
	return nil
}

func (c *client) read(ctx context.Context, path string, query url.Values, out any) error {
	return c.call(ctx, false, out, func(ctx context.Context) (*api.Response, error) {
		return c.api.Logical().ReadRawWithDataWithContext(ctx, path, query)
	})
}

// ask is read for what confirm itself needs to know.
func (c *client) ask(ctx context.Context, path string, out any) error {
	return c.settled(ctx, false, out, func(ctx context.Context) (*api.Response, error) {
		return c.api.Logical().ReadRawWithContext(ctx, path)
	})
}

// write sends JSON. The bytes go out as they are: the client's own encoder
// would escape characters of HTML and so lengthen strings.
func (c *client) write(ctx context.Context, path string, body []byte, out any) error {
	return c.call(ctx, true, out, func(ctx context.Context) (*api.Response, error) {
		return c.api.Logical().WriteRawWithContext(ctx, path, body)
	})
}

// patch merges; a nil removes.
func (c *client) patch(ctx context.Context, path string, body map[string]any) error {
	return c.call(ctx, true, nil, func(ctx context.Context) (*api.Response, error) {
		_, err := c.api.Logical().JSONMergePatch(ctx, path, body)
		return nil, err
	})
}

// remove deletes what is at the path; nothing there is no error.
func (c *client) remove(ctx context.Context, path string) error {
	return c.call(ctx, true, nil, func(ctx context.Context) (*api.Response, error) {
		_, err := c.api.Logical().DeleteWithContext(ctx, path)
		return nil, err
	})
}

// list returns the entries of a folder, sorted bytewise, folders with a slash
// at the end; none where there is no such folder.
func (c *client) list(ctx context.Context, path string) ([]string, error) {
	var out struct {
		Keys []string `json:"keys"`
	}
	err := c.read(ctx, path, url.Values{"list": {"true"}}, &out)
	if errors.Is(err, secret.NotFound) {
		return nil, nil
	}
	return out.Keys, err
}
