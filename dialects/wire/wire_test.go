package wire_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/mux"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// edge lets everybody in who names himself, and says of an error its kind and
// which of the package's own it is.
type edge struct{ seen []error }

func (*edge) Authenticate(r *wire.Request) (access.Caller, error) {
	if who := r.Header.Get("Who"); who != "" {
		return access.Caller{ID: who}, nil
	}
	return access.Caller{}, secret.Unauthenticated
}

func (*edge) Prepare(h http.Header, r *wire.Request) { h.Set("Id", r.ID) }

func (e *edge) Error(r *wire.Request, err error) wire.Reply {
	e.seen = append(e.seen, err)
	text := secret.KindOf(err).Error()
	for _, own := range []error{wire.ErrMethod, wire.ErrNoRoute, wire.ErrBodySize, wire.ErrBodyRead} {
		if errors.Is(err, own) {
			text += "; " + own.Error()
		}
	}
	return wire.Reply{Status: 400, Body: []byte(r.Op + "|" + text)}
}

func routes() []wire.Route {
	say := func(format string) func(*wire.Request) (wire.Reply, error) {
		return func(r *wire.Request) (wire.Reply, error) {
			return wire.Reply{Status: 200, Body: fmt.Appendf(nil, format, r.Vars["x"])}, nil
		}
	}
	return []wire.Route{
		{Op: "Fixed", Method: "POST", Path: "/a/fixed", Handle: say("fixed%s")},
		{Op: "Any", Method: "PUT", Path: "/a/{x}", Handle: say("put %s")},
		{Op: "Echo", Method: "POST", Path: "/echo", MaxBody: 8, Handle: func(r *wire.Request) (wire.Reply, error) {
			b, err := r.Body()
			if err != nil {
				return wire.Reply{}, err
			}
			if again, _ := r.Body(); !bytes.Equal(b, again) || r.Digest() != sha256.Sum256(b) {
				return wire.Reply{}, errors.New("the body differs the second time")
			}
			return wire.Reply{Status: 200, Body: b}, nil
		}},
		{Op: "JSON", Method: "GET", Path: "/json", Handle: func(*wire.Request) (wire.Reply, error) {
			return wire.Reply{Status: 201, Header: http.Header{"X": {"y"}}, Body: map[string]string{"a": "<&>'"}}, nil
		}},
		{Op: "None", Method: "GET", Path: "/none", Handle: func(*wire.Request) (wire.Reply, error) {
			return wire.Reply{Status: 204}, nil
		}},
		{Op: "Panic", Method: "GET", Path: "/panic", Handle: func(*wire.Request) (wire.Reply, error) { panic("s3cr3t-marker") }},
		{Op: "Encode", Method: "GET", Path: "/encode", Handle: func(*wire.Request) (wire.Reply, error) {
			return wire.Reply{Status: 200, Body: secret.TextValue("s3cr3t-marker")}, nil
		}},
	}
}

func TestRoutes(t *testing.T) {
	t.Parallel()
	e := &edge{}
	r := mux.NewRouter().SkipClean(true).UseEncodedPath()
	wire.Mount(r, e, routes(), nil)
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/a/fixed", "", "200 fixed"},
		{"PUT", "/a/fixed", "", "200 put fixed"},
		{"PUT", "/a/b%2Fc%20d", "", "200 put b/c d"},
		{"PUT", "/a/b/c", "", "400 |not found; wire: no such path"},
		{"PUT", "/a/", "", "400 |not found; wire: no such path"},
		{"PUT", "/a", "", "400 |not found; wire: no such path"},
		{"DELETE", "/a/b", "", "400 |invalid; wire: the path does not know this method"},
		{"GET", "//json", "", "400 |not found; wire: no such path"},
		{"POST", "/echo", "12345678", "200 12345678"},
		{"POST", "/echo", "123456789", "400 Echo|too large; wire: the body is over the limit of its route"},
		{"GET", "/json", "", `201 {"a":"<&>'"}`},
		{"GET", "/none", "", "204 "},
		{"GET", "/panic", "", "400 Panic|internal error"},
		{"GET", "/encode", "", "400 Encode|internal error"},
	} {
		q := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
		q.Header.Set("Who", "me")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		if got := fmt.Sprint(w.Code, " ", w.Body); got != c.want {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, got, c.want)
		}
		if len(w.Header().Get("Id")) != 36 {
			t.Errorf("%s %s: no request id", c.method, c.path)
		}
		if n := w.Header().Get("Content-Length"); (n == "") != (c.want == "204 ") {
			t.Errorf("%s %s: Content-Length %q", c.method, c.path, n)
		}
	}
	for _, err := range e.seen {
		if strings.Contains(err.Error(), "s3cr3t") {
			t.Error("an error discloses what a handler panicked with or could not encode")
		}
	}
}

// A body that announces less than it brings, more than allowed, or ends early.
func TestBodies(t *testing.T) {
	t.Parallel()
	r := mux.NewRouter()
	wire.Mount(r, &edge{}, routes(), nil)
	for want, body := range map[string]io.Reader{
		"Echo|too large; wire: the body is over the limit of its route": io.MultiReader(strings.NewReader("123456789")),
		"Echo|invalid; wire: the body could not be read to its end":     io.MultiReader(strings.NewReader("12"), broken{}),
		"12": io.MultiReader(strings.NewReader("12")),
	} {
		q := httptest.NewRequestWithContext(t.Context(), "POST", "/echo", body)
		q.Header.Set("Who", "me")
		w := httptest.NewRecorder()
		r.ServeHTTP(w, q)
		if w.Body.String() != want {
			t.Errorf("%s, want %s", w.Body, want)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAuthenticationComesFirst(t *testing.T) {
	t.Parallel()
	r := mux.NewRouter()
	wire.Mount(r, &edge{}, routes(), nil)
	for _, path := range []string{"/json", "/panic", "/nowhere"} {
		w := httptest.NewRecorder()
		r.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if !strings.HasSuffix(w.Body.String(), "|unauthenticated") {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
}

// TestBeyondTheRate: requests beyond their caller's rate pay for nothing, and wait
// for each other, and for nobody else.
func TestBeyondTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		limits := wire.NewLimits(wire.DefaultMaxBlob, 4)
		limits.Pace, limits.Rates = access.NewPace(time.Now), access.NewRates(time.Now, nil)
		limits.Rates.Use(map[string]access.Rate{"busy": {Requests: 1, Per: time.Hour, Burst: 1}})
		r, e := mux.NewRouter(), &edge{}
		wire.Mount(r, e, routes(), limits)
		ask := func(who string, times int) time.Duration {
			began := time.Now()
			for range times {
				req := httptest.NewRequestWithContext(t.Context(), "GET", "/none", nil)
				req.Header.Set("Who", who)
				r.ServeHTTP(httptest.NewRecorder(), req)
			}
			return time.Since(began)
		}
		ask("busy", 1)
		if took := ask("", 300); took != 0 { // strangers at the same address
			t.Fatalf("the first ones wait %v", took)
		}
		ask("busy", 100)
		if took := ask("", 1); took == 0 {
			t.Error("requests beyond the rate pay for strangers")
		}
		if took := ask("busy", 1000); took < 5*time.Second {
			t.Errorf("a thousand requests beyond the rate take %v", took)
		}
		if took := ask("other", 1000); took != 0 {
			t.Errorf("another caller at the address waits %v", took)
		}
		if took := ask("", 1); took != 0 {
			t.Errorf("a stranger at the address waits %v", took)
		}
		for _, err := range e.seen {
			if errors.Is(err, secret.Throttled) != errors.Is(err, access.ErrRate) {
				t.Errorf("%v", err)
			}
		}
	})
}

func TestRepliesMayShareAHeader(t *testing.T) {
	t.Parallel()
	shared := http.Header{"Content-Type": {"application/json"}}
	before := maps.Clone(shared)
	r := mux.NewRouter()
	wire.Mount(r, &edge{}, []wire.Route{{Op: "One", Method: "GET", Path: "/", Handle: func(*wire.Request) (wire.Reply, error) {
		return wire.Reply{Status: 200, Header: shared, Body: []byte("x")}, nil
	}}}, nil)
	q := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
	q.Header.Set("Who", "me")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	if !maps.EqualFunc(shared, before, func(a, b []string) bool { return len(a) == len(b) }) || w.Header().Get("Content-Type") != "application/json" {
		t.Error("the shared header is changed, or not sent")
	}
}
