package faultproxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/internal/faultproxy"
)

// product remembers what reached it whole.
type product struct {
	mu   sync.Mutex
	seen []string
}

func (p *product) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		return
	}
	p.seen = append(p.seen, fmt.Sprintf("%s %s %s%s %s %s", r.Method, r.URL.Scheme, r.Host, r.RequestURI, r.Header.Get("X-Signed"), body))
	_, _ = fmt.Fprintf(w, "answer %d", len(p.seen))
}

func (p *product) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// newLine returns a proxy before a product, and a client of it.
func newLine(t *testing.T, secure bool) (*faultproxy.Proxy, *product, *http.Client) {
	t.Helper()
	p := new(product)
	srv := httptest.NewUnstartedServer(p)
	o := faultproxy.Options{Scheme: "http"}
	if secure {
		srv.StartTLS()
		o.Scheme, o.TLS = "https", srv.TLS
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	at, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	o.Host, o.Upstream = at.Host, srv.Client().Transport
	proxy := faultproxy.Start(t, o)
	own, ok := srv.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatal("the client has another transport")
	}
	mine := own.Clone()
	t.Cleanup(mine.CloseIdleConnections)
	return proxy, p, &http.Client{Transport: mine}
}

func send(ctx context.Context, t *testing.T, c *http.Client, p *faultproxy.Proxy) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, p.URL+"/a%2Fb//c?q=1", strings.NewReader("0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "vault.example:8443"
	req.Header.Set("X-Signed", "yes")
	resp, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// TestPass: host, path, headers and body are untouched, with TLS and without.
func TestPass(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		p, product, c := newLine(t, secure)
		if _, body, err := send(t.Context(), t, c, p); err != nil || body != "answer 1" {
			t.Fatalf("%q, %v", body, err)
		}
		want := []string{"PUT  vault.example:8443/a%2Fb//c?q=1 yes 0123456789"}
		if seen := product.all(); !slices.Equal(seen, want) {
			t.Errorf("the product saw %q, want %q", seen, want)
		}
		if w, r := p.Count(); w != 1 || r != 0 {
			t.Errorf("%d writes and %d reads", w, r)
		}
		if w, r := p.Count(); w != 0 || r != 0 {
			t.Errorf("after that %d writes and %d reads", w, r)
		}
	}
}

// TestFaults: what the client gets, and what the product saw.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault  faultproxy.Fault
		seen   int
		status int // zero: no answer
		body   string
		after  string
		torn   bool
	}{
		{fault: faultproxy.CutBefore},
		{fault: faultproxy.CutAfter, seen: 1},
		{fault: faultproxy.TornAnswer, seen: 1, status: 200, body: "answ", torn: true},
		{fault: faultproxy.TornRequest},
		{fault: faultproxy.Throttled, status: 429},
		{fault: faultproxy.ThrottledFor, status: 429, after: "1"},
		{fault: faultproxy.FailedBefore, status: 500},
		{fault: faultproxy.FailedAfter, seen: 1, status: 500},
		{fault: faultproxy.Duplicate, seen: 2, status: 200, body: "answer 2"},
	} {
		t.Run(c.fault.String(), func(t *testing.T) {
			t.Parallel()
			for _, secure := range []bool{false, true} {
				p, product, client := newLine(t, secure)
				met := p.Arm(c.fault, faultproxy.Writes, 1)
				resp, body, err := send(t.Context(), t, client, p)
				<-met.Began
				<-met.Settled
				if n := len(product.all()); n != c.seen {
					t.Errorf("the product saw %d requests, want %d", n, c.seen)
				}
				switch {
				case c.status == 0:
					if resp != nil || err == nil {
						t.Errorf("there is an answer: %v", err)
					}
				case resp == nil:
					t.Errorf("there is no answer: %v", err)
				case resp.StatusCode != c.status || resp.Header.Get("Retry-After") != c.after || c.body != "" && body != c.body:
					t.Errorf("the answer is %d, %q", resp.StatusCode, body)
				case c.torn != errors.Is(err, io.ErrUnexpectedEOF):
					t.Errorf("the answer ends with %v", err)
				}
				if _, _, err := send(t.Context(), t, client, p); err != nil { // once is all
					t.Error(err)
				}
			}
		})
	}
}

// TestGivenUp: a request that is held gets no answer until the caller goes, and
// reaches the product after that, or never.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	for fault, seen := range map[faultproxy.Fault]int{faultproxy.Held: 0, faultproxy.Late: 1} {
		p, product, client := newLine(t, true)
		met := p.Arm(fault, faultproxy.Writes, 1)
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			<-met.Began
			leave()
		}()
		if _, _, err := send(ctx, t, client, p); !errors.Is(err, context.Canceled) {
			t.Errorf("%v: %v", fault, err)
		}
		<-met.Settled
		if n := len(product.all()); n != seen {
			t.Errorf("%v: the product saw %d requests, want %d", fault, n, seen)
		}
	}
}

// TestHold: a request waits, others pass meanwhile, and then it passes, too.
func TestHold(t *testing.T) {
	t.Parallel()
	p, product, client := newLine(t, true)
	met, release := p.Hold(faultproxy.Writes, 1)
	answered := make(chan error, 1)
	go func() {
		_, body, err := send(t.Context(), t, client, p)
		if err == nil && body != "answer 2" {
			err = errors.New(body)
		}
		answered <- err
	}()
	<-met.Began
	if _, body, err := send(t.Context(), t, client, p); err != nil || body != "answer 1" {
		t.Errorf("beside it: %q, %v", body, err)
	}
	release()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	<-met.Settled
	if n := len(product.all()); n != 2 {
		t.Errorf("the product saw %d requests", n)
	}
}

// TestArm: of several requests the one with the number meets the fault, and
// none once it is disarmed.
func TestArm(t *testing.T) {
	t.Parallel()
	p, product, client := newLine(t, false)
	p.Arm(faultproxy.FailedBefore, faultproxy.Writes, 2)
	for _, want := range []int{200, 500, 200} {
		if resp, _, err := send(t.Context(), t, client, p); err != nil || resp.StatusCode != want {
			t.Errorf("want %d: %v", want, err)
		}
	}
	p.Arm(faultproxy.FailedBefore, faultproxy.Reads, 1) // none comes
	p.Arm(faultproxy.FailedBefore, faultproxy.Writes, 1)
	p.Disarm()
	if resp, _, err := send(t.Context(), t, client, p); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("disarmed: %v", err)
	}
	if n := len(product.all()); n != 3 {
		t.Errorf("the product saw %d requests", n)
	}
	for _, f := range faultproxy.Faults() {
		if f.String() == "" {
			t.Error("a fault has no name")
		}
	}
}
