package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

func handlerOf(s *Server, e endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { e.serve(s, &stallGuard{ResponseWriter: w}, r) })
}

func serveAt(t *testing.T, path string, h http.Handler) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	must(t, err)
	srv := &http.Server{Handler: h, ConnContext: func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, peerKey{}, peerOf(c))
	}}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
}

func clientOf(socket string) *Client {
	return &Client{http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dialTrusted(ctx, socket) },
	}}}
}

// TestTable: each row has a name of its own.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, e := range operations(nil, &Options{}) {
		if seen[e.id()] || e.id() == "" {
			t.Errorf("two operations are called %q", e.id())
		}
		seen[e.id()] = true
	}
	if len(seen) < 10 {
		t.Errorf("only %d operations", len(seen))
	}
}

// TestEveryFieldIsCarried: who adds one to the model decides whether it
// crosses the socket.
func TestEveryFieldIsCarried(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		model, wire any
		left        int // fields that do not cross, see wireSecret and gateway.RestoreOptions.CheckName
	}{
		{secret.Secret{}, wireSecret{}, 1},
		{secret.Version{}, wireVersion{}, 1},
		{secret.Deletion{}, wireDeletion{}, 0},
		{secret.Page{}, wirePage{}, 0},
		{secret.Query{}, listArgs{}, -1}, // and the store
		{secret.Loss{}, wireLoss{}, 0},
		{secret.LeftOut{}, wireLeftOut{}, 0},
		{gateway.Swept{}, sweepAnswer{}, 0},
		{gateway.BackupOptions{}, backupArgs{}, 2 - 3}, // and the secret
		{gateway.SealOptions{}, sealForArgs{}, 3 - 4},  // and the secret
		{gateway.Sealed{}, sealedAnswer{}, 0},
		{gateway.Outcome{}, wireOutcome{}, 0},
		{gateway.RestoreOptions{}, restoreArgs{}, 1 - 2}, // and the store and the blob
	} {
		if m, w := reflect.TypeOf(tt.model), reflect.TypeOf(tt.wire); m.NumField() != w.NumField()+tt.left {
			t.Errorf("%v has %d fields, and %v %d", m, m.NumField(), w, w.NumField())
		}
	}
}

// TestBadRequests: what is not understood is refused without an echo, and
// nothing runs.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := clientOf(w.socket())
	post := func(operation, body string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://vaultferry"+operation, strings.NewReader(body))
		must(t, err)
		res, err := c.http.Do(req)
		must(t, err)
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		must(t, err)
		return res.StatusCode, string(b)
	}
	before := w.audited(t)
	for what, tt := range map[string]struct {
		operation, body string
		status          int
	}{
		"unknown operation": {"/v1/frobnicate", `{"op":"cli.x","args":{}}`, http.StatusNotFound},
		"later version":     {"/v2/list", `{"op":"cli.x","args":{"store":"main"}}`, http.StatusNotFound},
		"unknown argument":  {"/v1/list", `{"op":"cli.x","args":{"store":"main","hush":1}}`, http.StatusBadRequest},
		"wrong type":        {"/v1/list", `{"op":"cli.x","args":{"store":4711}}`, http.StatusBadRequest},
		"no JSON":           {"/v1/list", `hush`, http.StatusBadRequest},
		"two documents":     {"/v1/list", `{"op":"cli.x","args":{"store":"main"}}{}`, http.StatusBadRequest},
		"no op":             {"/v1/list", `{"args":{"store":"main"}}`, http.StatusBadRequest},
		"another's op":      {"/v1/list", `{"op":"azure.GetSecret","args":{"store":"main"}}`, http.StatusBadRequest},
		"an op with quotes": {"/v1/list", `{"op":"cli.\"hush","args":{"store":"main"}}`, http.StatusBadRequest},
	} {
		status, said := post(tt.operation, tt.body)
		if status != tt.status || !strings.Contains(said, `"error":{"kind":"`) || strings.Contains(said, "hush") || strings.Contains(said, "4711") {
			t.Errorf("%s: %d %s", what, status, said)
		}
	}
	if w.audited(t) != before {
		t.Error("something ran")
	}
	if status, _ := post("/v1/list", `{"op":"cli.list","request_id":"no uuid","args":{"store":"main"}}`); status != http.StatusOK || strings.Contains(w.audited(t), "no uuid") {
		t.Error("an id that is none is not replaced")
	}
}

// TestPeerMustBeKnown: nobody is served of whom the system says nothing, or
// that it is another user.
func TestPeerMustBeKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for what, p := range map[string]any{"unknown": nil, "other": peer{err: secret.Errorf(secret.Denied, "another user")}} {
		for _, e := range operations(nil, &Options{}) {
			r := httptest.NewRequest(http.MethodPost, version+e.id(), strings.NewReader(`{"op":"cli.x","args":{}}`))
			r = r.WithContext(context.WithValue(t.Context(), peerKey{}, p))
			rec := httptest.NewRecorder()
			if handlerOf(w.server, e).ServeHTTP(rec, r); rec.Code != http.StatusForbidden {
				t.Errorf("%s may ask for %s: %d", what, e.id(), rec.Code)
			}
		}
	}
	if trusted(os.Geteuid()+1) || !trusted(os.Geteuid()) || !trusted(0) {
		t.Error("who may ask is not this user and root")
	}
}

// TestTornAnswers: a stream without its sum, or with another, is cut short; an
// answer that is none of ours is an error.
func TestTornAnswers(t *testing.T) {
	t.Parallel()
	for what, answer := range map[string]http.HandlerFunc{
		"no sum": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "half of it") },
		"wrong sum": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", sumTrailer)
			_, _ = io.WriteString(w, "half of it")
			w.Header().Set(sumTrailer, strings.Repeat("0", 64))
		},
		"no words": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		"no answer": func(http.ResponseWriter, *http.Request) {
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			socket := filepath.Join(shortDir(t), "s")
			serveAt(t, socket, answer)
			c := clientOf(socket)
			if err := c.Snapshot(t.Context(), call("store.backup"), "main", io.Discard); !errors.Is(err, secret.Unavailable) {
				t.Errorf("a copy: %v", err)
			}
			if _, _, err := c.BackupWith(t.Context(), call("backup"), gateway.Ref{}, gateway.BackupOptions{}); !errors.Is(err, secret.Unavailable) {
				t.Errorf("a backup: %v", err)
			}
			want := secret.Unknown // it may have been done
			if what == "no words" {
				want = secret.Unavailable
			}
			if _, err := c.Restore(t.Context(), call("restore"), "main", nil, gateway.RestoreOptions{}); secret.KindOf(err) != want {
				t.Errorf("a restore: %v", err)
			}
		})
	}
}

// TestManyAtOnce: one client may ask for several things at a time.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, "main", "db", secret.TextValue("hush"))
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			got, err := w.client.Get(t.Context(), call("show"), gateway.Ref{Store: "main", Name: "db"}, secret.Current)
			if err != nil || string(got.Newest().Value.Reveal()) != "hush" {
				t.Errorf("%v", err)
			}
		})
	}
	all.Wait()
}

// TestBrokenOffIsPlain: a gateway that ends in the middle is said to, without
// the name that requests have for it.
func TestBrokenOffIsPlain(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(shortDir(t), "gone.sock")
	serveAt(t, socket, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	c := clientOf(socket)
	_, list := c.List(t.Context(), call("list"), "main", secret.Query{})
	_, put := c.Put(t.Context(), call("set"), gateway.Ref{Store: "main", Name: "n"}, secret.Draft{Value: secret.TextValue("hush")})
	snapshot := c.Snapshot(t.Context(), call("store.backup"), "main", io.Discard)
	for what, err := range map[string]error{"list": list, "put": put, "snapshot": snapshot} {
		if said := secret.Explain(err); !strings.HasPrefix(said, "the gateway broke off") || !strings.HasSuffix(said, ": EOF") || strings.Contains(said, "http") {
			t.Errorf("%s: %s", what, said)
		}
	}
}
