package connection

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// InFlight bounds the parallel reads of one call, and the idle connections.
const InFlight = 16

// maxAnswer bounds an answer: the metadata of tens of thousands of versions.
const maxAnswer = 64 << 20

// client speaks to one server. It never retries by itself, follows no
// redirect and takes nothing from VAULT_* variables. The vendor's client does
// the logins and renewals alone: of a small read it costs more than Vault does.
type client struct {
	api     *api.Client
	wire    http.RoundTripper
	address *url.URL
	header  http.Header // of each request; the token comes to it
	login   *login      // nil with a fixed token
	token   *fixedToken // nil with a login
	life    tokenLife
	close   func()

	unconfirmed atomic.Pointer[func(context.Context) error]
}

// newClient builds the client. base overrides the transport in tests.
func newClient(o *Options, now func() time.Time, base http.RoundTripper) (*client, error) {
	closer := func() {}
	if base == nil {
		transport := o.Transport
		transport.Conns = 8 * InFlight // as some calls at once may use
		t, err := transport.Open()
		if err != nil {
			return nil, &secret.Error{Kind: secret.Invalid, Detail: "tls." + err.Error()}
		}
		base, closer = t, t.CloseIdleConnections
	}
	c := &client{close: closer, header: http.Header{api.RequestHeaderName: {"true"}}}
	c.wire = kit.Metered{Next: base, MaxAnswer: func(*http.Request) int64 { return maxAnswer }}
	v, err := api.NewClient(&api.Config{Address: o.Address, HttpClient: &http.Client{Transport: c.wire}, MaxRetries: 0, DisableRedirects: true})
	if err == nil {
		c.address, err = url.Parse(o.Address)
	}
	if err != nil {
		return nil, secret.Errorf(secret.Invalid, "hashivault: the client cannot be set up: %v", err)
	}
	v.SetMaxRetries(0)
	v.SetHeaders(c.header.Clone())                                     // less those of VAULT_HEADERS
	v.SetWrappingLookupFunc(func(string, string) string { return "" }) // nor VAULT_WRAP_TTL
	v.ClearNamespace()
	if o.Namespace != "" {
		v.SetNamespace(o.Namespace)
		c.header.Set("X-Vault-Namespace", o.Namespace)
	}
	v.SetToken(string(o.Token.Reveal()))
	c.life.now, c.life.key = now, "token"
	if o.Login != nil {
		c.life.key = o.Login.Key
	}
	c.api, c.login = v, newLogin(v, o.Login, &c.life)
	if c.login == nil {
		c.token = &fixedToken{mount: strings.Trim(o.Mount, "/"), now: now}
	}
	return c, nil
}

// request is one call to Vault.
type request struct {
	method, path string // the path is that of the API, below v1
	query        url.Values
	body         []byte
	asks         bool // it changes nothing, whatever its method
}

func (r *request) writes() bool { return r.method != http.MethodGet && !r.asks }

// call makes one request and decodes its answer into out, unless that is nil.
// An answer 404 with data, which is how a deleted version looks, decodes too
// and is no error.
func (c *client) call(ctx context.Context, r request, out any) error {
	if confirm := c.unconfirmed.Load(); confirm != nil {
		if err := (*confirm)(ctx); err != nil {
			return err
		}
		c.unconfirmed.Store(nil)
	}
	return c.callUnconfirmed(ctx, r, out)
}

// callUnconfirmed is call for what the confirmation itself needs to know.
func (c *client) callUnconfirmed(ctx context.Context, r request, out any) error {
	return kit.Patiently(ctx, r.writes(), func() error { return c.loggedIn(ctx, r, out) })
}

// loggedIn makes one request with a token that serves, as far as there is one.
func (c *client) loggedIn(ctx context.Context, r request, out any) error {
	if err := ctx.Err(); err != nil {
		return unavailable(err)
	}
	if err := c.login.ensure(ctx); err != nil {
		return err
	}
	number := c.login.number()
	err := c.once(ctx, r, out)
	if !errors.Is(err, secret.Upstream) {
		return err
	}
	switch retry, refused := c.login.again(ctx, number, err); {
	case retry:
		return c.once(ctx, r, out) // 403: the first changed nothing
	case refused != nil:
		return refused
	}
	return c.token.judge(ctx, c, err)
}

func (c *client) once(ctx context.Context, r request, out any) error {
	ctx, trace := kit.WithTrace(ctx)
	err := c.send(ctx, r, out)
	if err == nil {
		return nil
	}
	if !trace.Sent() { // though the caller's end may be all that the client tells
		err = errors.Join(errUnsent, err)
	}
	err = classify(err, r.writes())
	if e, ok := errors.AsType[*secret.Error](err); ok && trace.RetryAfter() > 0 {
		e.RetryAfter = trace.RetryAfter()
	}
	return err
}

func (c *client) send(ctx context.Context, r request, out any) error {
	u := *c.address
	u.Path, u.RawQuery = "/v1/"+r.path, r.query.Encode()
	// The bytes go out as they are: the vendor's encoder would escape characters
	// of HTML and so lengthen strings.
	req, err := http.NewRequestWithContext(ctx, r.method, "", bytes.NewReader(r.body))
	if err != nil {
		return err
	}
	req.URL, req.Host = &u, u.Host
	for k, v := range c.header {
		req.Header[k] = v
	}
	req.Header.Set(api.AuthHeaderName, c.api.Token())
	if r.method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := c.wire.RoundTrip(req)
	if err != nil {
		return unended(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := readAll(resp)
	switch {
	case err != nil:
		return unended(ctx, err)
	case resp.StatusCode == http.StatusNotFound && out != nil && decode(body, out) == nil:
		return nil
	case resp.StatusCode >= http.StatusBadRequest:
		return refusal(req, resp.StatusCode, body)
	case out == nil:
		return nil
	}
	return decode(body, out)
}

// unended is the error of a request that its context may have ended. Danger: what
// ended the context, perhaps the error of another request, is in err as its
// cause, and is not what this one met.
func unended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// readAll reads an answer into memory that is this answer's alone.
func readAll(resp *http.Response) ([]byte, error) {
	var body bytes.Buffer
	if n := resp.ContentLength; n > 0 {
		body.Grow(int(min(n, likelyAnswer)) + bytes.MinRead)
	}
	_, err := body.ReadFrom(resp.Body)
	return body.Bytes(), err
}

// likelyAnswer is as much room as an answer is given before it has come.
const likelyAnswer = 1 << 20

// refusal is the vendor's own error of an answer.
func refusal(req *http.Request, status int, body []byte) error {
	e := &api.ResponseError{HTTPMethod: req.Method, URL: req.URL.Path, StatusCode: status}
	var told struct {
		Errors []string `json:"errors"`
	}
	if json.Unmarshal(body, &told) != nil {
		e.RawError, told.Errors = true, []string{string(body[:min(len(body), 1<<10)])}
	}
	e.Errors = told.Errors
	return e
}

var errNoData = fmt.Errorf("%w: it holds no data", kit.ErrMalformed)

// decode reads the envelope of every answer.
func decode(body []byte, out any) error {
	var envelope struct {
		Data Raw `json:"data"`
	}
	err := json.Unmarshal(body, &envelope)
	if err == nil && envelope.Data.IsNull() {
		return errNoData
	}
	if err == nil {
		err = json.Unmarshal(envelope.Data, out)
	}
	if err != nil { // its text may quote what it met
		return kit.ErrMalformed
	}
	return nil
}

// Raw is JSON as it stands in what is decoded, and part of that: a value is
// large, and is not copied at each layer.
type Raw []byte

// UnmarshalJSON keeps b, which nobody changes: all of the answer is in memory
// that is this answer's alone.
func (m *Raw) UnmarshalJSON(b []byte) error {
	*m = b
	return nil
}

// IsNull reports whether there is nothing, or null.
func (m Raw) IsNull() bool { return len(m) == 0 || string(m) == "null" }

// Read reads what is at the path below the mount.
func (f *Folder) Read(ctx context.Context, path string, query url.Values, out any) error {
	return f.client.call(ctx, request{method: http.MethodGet, path: f.Mount + path, query: query}, out)
}

// Write sends JSON to the path below the mount.
func (f *Folder) Write(ctx context.Context, path string, body []byte, out any) error {
	return f.client.call(ctx, request{method: http.MethodPut, path: f.Mount + path, body: body}, out)
}

// Ask sends JSON to the path below the mount, where that changes nothing.
func (f *Folder) Ask(ctx context.Context, path string, body []byte, out any) error {
	return f.client.call(ctx, request{method: http.MethodPut, path: f.Mount + path, body: body, asks: true}, out)
}

// Patch merges JSON into what is there; a null removes.
func (f *Folder) Patch(ctx context.Context, path string, body []byte) error {
	return f.client.call(ctx, request{method: http.MethodPatch, path: f.Mount + path, body: body}, nil)
}

// Remove deletes what is at the path; nothing there is no error.
func (f *Folder) Remove(ctx context.Context, path string) error {
	return f.client.call(ctx, request{method: http.MethodDelete, path: f.Mount + path}, nil)
}

// entries returns those of a folder, sorted bytewise, folders with a slash at
// the end; none where there is no such folder.
func (f *Folder) entries(ctx context.Context, path string) ([]string, error) {
	var out struct {
		Keys []string `json:"keys"`
	}
	err := f.Read(ctx, f.Engine.Lists+f.Prefix+path, url.Values{"list": {"true"}}, &out)
	if errors.Is(err, secret.NotFound) {
		return nil, nil
	}
	slices.Sort(out.Keys)
	return out.Keys, err
}
