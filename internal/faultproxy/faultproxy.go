// Package faultproxy stands on the wire between a backend and its product, for
// tests, and lets one request meet what networks and busy products do to
// requests. Everything else passes as it is: method, path, host, headers and
// body, so that signatures hold.
//
// To its clients it speaks HTTP/1.1 alone: there a cut is the end of a
// connection, as it is on a real line.
package faultproxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
)

// Fault is what one request meets.
type Fault int

// The faults. A body that is too short to be torn is not sent at all.
const (
	CutBefore    Fault = iota // the connection ends, and the product has seen nothing
	CutAfter                  // the product did it, and the answer is lost
	TornAnswer                // the product did it, and half of its answer arrives
	TornRequest               // half of the request reaches the product
	Held                      // nothing comes until the caller gives up; the product has seen nothing
	Late                      // nothing comes until the caller gives up; then the product does it
	Throttled                 // 429 without a word about when to come back
	ThrottledFor              // 429 with Retry-After: 1
	FailedBefore              // 500, and the product has seen nothing
	FailedAfter               // the product did it, and the answer is 500
	Duplicate                 // the product gets it twice, and its second answer counts
	faultCount
)

var faultNames = [faultCount]string{
	"cut before", "cut after", "torn answer", "torn request", "held", "late",
	"throttled", "throttled for", "failed before", "failed after", "duplicate",
}

func (f Fault) String() string { return faultNames[f] }

// Faults lists all.
func Faults() []Fault {
	all := make([]Fault, faultCount)
	for i := range all {
		all[i] = Fault(i)
	}
	return all
}

// Writes picks the requests that change something, and Reads the others.
func Writes(r *http.Request) bool { return !Reads(r) }

// Reads picks what Writes does not.
func Reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// Options say where a Proxy stands.
type Options struct {
	// Scheme and Host of the product. An empty Host is that of each request.
	Scheme, Host string
	// Upstream carries requests to the product.
	Upstream http.RoundTripper
	// Aside, if not nil, picks requests that are of no operation, such as those
	// that a client makes in the background. They pass, and are not counted.
	Aside func(*http.Request) bool
	// TLS, if not nil, makes the proxy speak HTTPS with the product's
	// certificate.
	TLS *tls.Config
}

// Proxy is a running proxy. It stops with its test.
type Proxy struct {
	URL     string // to reach it at
	Address string // of its listener

	o     Options
	mu    sync.Mutex
	plan  *plan
	count map[bool]int // of requests, by whether they read
}

// plan is one fault that waits for its request.
type plan struct {
	fault   Fault
	picks   func(*http.Request) bool
	left    int // requests to go
	met     chan struct{}
	settled chan struct{}
	release <-chan struct{} // it is held until then, and passes; nil: it meets the fault
}

// Start starts a proxy.
func Start(t testing.TB, o Options) *Proxy {
	t.Helper()
	p := &Proxy{o: o, count: map[bool]int{}}
	srv := httptest.NewUnstartedServer(p)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	if o.TLS != nil {
		srv.TLS = o.TLS
		srv.StartTLS()
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	p.URL, p.Address = srv.URL, srv.Listener.Addr().String()
	return p
}

// Met tells of one fault: Began is closed when its request has come, Settled
// when nothing of that request is under way any more.
type Met struct{ Began, Settled <-chan struct{} }

// Arm lets the nth request from now on, of those that picks picks, meet the
// fault, and all others pass. It takes the place of a fault that has not been
// met.
func (p *Proxy) Arm(f Fault, picks func(*http.Request) bool, n int) Met {
	return p.arm(&plan{fault: f, picks: picks, left: n})
}

// Hold lets the nth request, counted as by Arm, wait until release is called. Then it
// passes like all others.
func (p *Proxy) Hold(picks func(*http.Request) bool, n int) (met Met, release func()) {
	released := make(chan struct{})
	return p.arm(&plan{picks: picks, left: n, release: released}), sync.OnceFunc(func() { close(released) })
}

func (p *Proxy) arm(pl *plan) Met {
	pl.met, pl.settled = make(chan struct{}), make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = pl
	return Met{pl.met, pl.settled}
}

// Disarm lets everything pass.
func (p *Proxy) Disarm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = nil
}

// Count returns how many requests came since the last call.
func (p *Proxy) Count() (writes, reads int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	writes, reads = p.count[false], p.count[true]
	clear(p.count)
	return writes, reads
}

// meets returns the plan if r is its request.
func (p *Proxy) meets(r *http.Request) *plan {
	if p.o.Aside != nil && p.o.Aside(r) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count[Reads(r)]++
	pl := p.plan
	if pl == nil || !pl.picks(r) {
		return nil
	}
	if pl.left--; pl.left > 0 {
		return nil
	}
	p.plan = nil
	return pl
}

// ServeHTTP implements http.Handler. It reads the whole request first: only
// then does the server watch for the end of the connection.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	pl := p.meets(r)
	if pl == nil {
		p.pass(r.Context(), r, body).write(w)
		return
	}
	defer close(pl.settled)
	close(pl.met)
	if pl.release == nil {
		p.harm(w, r, body, pl.fault)
		return
	}
	select {
	case <-pl.release:
		p.pass(r.Context(), r, body).write(w)
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}

func (p *Proxy) harm(w http.ResponseWriter, r *http.Request, body []byte, f Fault) {
	switch f {
	case CutBefore:
	case CutAfter:
		p.pass(r.Context(), r, body)
	case TornAnswer:
		p.pass(r.Context(), r, body).tear(w)
	case TornRequest:
		p.torn(r, body)
	case Held:
		<-r.Context().Done()
	case Late:
		<-r.Context().Done()
		p.pass(context.WithoutCancel(r.Context()), r, body)
	case Throttled:
		refusal(http.StatusTooManyRequests, "").write(w)
		return
	case ThrottledFor:
		refusal(http.StatusTooManyRequests, "1").write(w)
		return
	case FailedBefore:
		refusal(http.StatusInternalServerError, "").write(w)
		return
	case FailedAfter:
		p.pass(r.Context(), r, body)
		refusal(http.StatusInternalServerError, "").write(w)
		return
	case Duplicate:
		p.pass(r.Context(), r, body)
		p.pass(r.Context(), r, body).write(w)
		return
	}
	panic(http.ErrAbortHandler) // which ends the connection
}

// answer is a whole answer of the product.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// pass carries a request to the product. Where that cannot be reached, the
// client's connection ends.
func (p *Proxy) pass(ctx context.Context, r *http.Request, body []byte) *answer {
	resp, err := p.o.Upstream.RoundTrip(p.outgoing(ctx, r, bytes.NewReader(body), len(body)))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return &answer{resp.StatusCode, resp.Header, got}
}

func (p *Proxy) outgoing(ctx context.Context, r *http.Request, body io.Reader, size int) *http.Request {
	out := r.Clone(ctx)
	out.RequestURI = ""
	out.URL.Scheme, out.URL.Host = p.o.Scheme, p.o.Host
	if out.URL.Host == "" {
		out.URL.Host = r.Host
	}
	out.Body, out.ContentLength, out.TransferEncoding = http.NoBody, 0, nil
	if size > 0 {
		out.Body, out.ContentLength = io.NopCloser(body), int64(size)
	}
	return out
}

var errTorn = errors.New("the request ends here")

type end struct{}

func (end) Read([]byte) (int, error) { return 0, errTorn }

// torn sends the product half of what was announced, and nothing after.
func (p *Proxy) torn(r *http.Request, body []byte) {
	if len(body) < 2 {
		return
	}
	half := io.MultiReader(bytes.NewReader(body[:len(body)/2]), end{})
	resp, err := p.o.Upstream.RoundTrip(p.outgoing(r.Context(), r, half, len(body)))
	if err == nil { // refused before its end
		_ = resp.Body.Close()
	}
}

func (a *answer) head(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.Header().Del("Connection")
	if len(a.body) > 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	}
	w.WriteHeader(a.status)
}

func (a *answer) write(w http.ResponseWriter) {
	a.head(w)
	_, _ = w.Write(a.body) //nolint:gosec // it goes to no browser
}

// tear writes half of the answer. The caller ends the connection.
func (a *answer) tear(w http.ResponseWriter) {
	if len(a.body) < 2 {
		return
	}
	a.head(w)
	_, _ = w.Write(a.body[:len(a.body)/2]) //nolint:gosec // it goes to no browser
	_ = http.NewResponseController(w).Flush()
}

// refusal is an error in the shapes of all products at once.
func refusal(status int, after string) *answer {
	a := &answer{
		status: status, header: http.Header{"Content-Type": {"application/json"}},
		body: []byte(`{"errors":["busy"],"error":{"code":"Busy","message":"busy"},"error_code":"APIGW.0308","error_msg":"busy"}`),
	}
	if after != "" {
		a.header.Set("Retry-After", after)
	}
	return a
}
