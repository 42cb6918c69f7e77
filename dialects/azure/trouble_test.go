package azure_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/dialects/wiretest"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

const theValue = "correct horse battery staple"

// TestProductTrouble gives the product every kind of trouble, and looks for
// the documented answer, its audit line, and nothing of the cause.
func TestProductTrouble(t *testing.T) {
	t.Parallel()
	var next atomic.Pointer[secret.Error]
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: &backendtest.Faulty{
		Backend: memory.New(memory.Options{}),
		Before: func(context.Context, string) error {
			if e := next.Load(); e != nil {
				return e
			}
			return nil
		},
	}}}})
	for kind, want := range map[secret.Kind]struct {
		status int
		code   string
	}{
		secret.Internal: {500, "InternalServerError"}, secret.NotFound: {404, "SecretNotFound"}, secret.Trashed: {409, "Conflict"},
		secret.AlreadyExists: {409, "Conflict"}, secret.Disabled: {403, "Forbidden"}, secret.Invalid: {400, "BadParameter"},
		secret.TooLarge: {400, "BadParameter"}, secret.Denied: {403, "Forbidden"}, secret.Conflict: {409, "Conflict"},
		secret.Unsupported: {400, "NotSupported"}, secret.Throttled: {429, "Throttled"}, secret.Unavailable: {503, "ServiceUnavailable"},
		secret.Unknown: {503, "ServiceUnavailable"}, secret.Partial: {503, "ServiceUnavailable"}, secret.Upstream: {500, "InternalServerError"},
		secret.Corrupt: {400, "Malformed backup blob"}, secret.Lossy: {400, "BadParameter"},
		secret.NoKey: {400, "Malformed backup blob"},
	} {
		next.Store(&secret.Error{Kind: kind, Op: wiretest.Cause, RetryAfter: time.Hour, Err: errors.New(wiretest.Cause)})
		r := do(t, g, "a", http.MethodPut, "/secrets/x", `{"value":"`+theValue+`"}`)
		if r.status != want.status || r.code() != want.code {
			t.Errorf("%s: %d %s", kind, r.status, r.body)
		}
		if strings.Contains(r.body, wiretest.Cause) || strings.Contains(r.body, theValue) {
			t.Errorf("%s: the answer discloses", kind)
		}
		if got := lastResult(t, g); got != kind.Error() {
			t.Errorf("%s: the audit says %q", kind, got)
		}
		if (r.header.Get("Retry-After") == "3600") != (want.status >= 429) {
			t.Errorf("%s: Retry-After %q", kind, r.header.Get("Retry-After"))
		}
	}
}

// Vendors' clients repeat a write that was answered with 503. What did land
// the first time must not land again.
func TestRepeatOfAWriteWhoseAnswerWasLost(t *testing.T) {
	t.Parallel()
	var lose atomic.Bool
	store := &backendtest.Faulty{
		Backend: memory.New(memory.Options{}),
		After: func(_ context.Context, method string) error {
			if (method == "Put" || method == "Import") && lose.CompareAndSwap(true, false) {
				return &secret.Error{Kind: secret.Unknown}
			}
			return nil
		},
	}
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "a", Kind: "memory", Backend: store}, {Name: "b", Kind: "memory", Backend: memory.New(memory.Options{})},
	}})
	set(t, g, "b", "y", theValue)
	blob := blobOf(t, g, "b", "y")
	for _, c := range []struct {
		method, path, body string
		third              int
	}{
		{http.MethodPut, "/secrets/x", `{"value":"x","tags":{"a":"b"}}`, http.StatusOK}, // a new version
		{http.MethodPost, "/secrets/restore", blob, http.StatusConflict},
	} {
		lose.Store(true)
		for i, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
			if r := do(t, g, "a", c.method, c.path, c.body); r.status != want {
				t.Errorf("%s %s, time %d: %d %s", c.method, c.path, i+1, r.status, r.code())
			}
		}
		name := strings.Replace(c.path, "restore", "y", 1)
		if r := do(t, g, "a", http.MethodGet, name+"/versions", ""); strings.Count(r.body, `"id"`) != 1 {
			t.Errorf("%s %s made several versions", c.method, c.path)
		}
		if r := do(t, g, "a", c.method, c.path, c.body); r.status != c.third {
			t.Errorf("%s %s, time 3: %d %s", c.method, c.path, r.status, r.code())
		}
	}
}

// syncBuffer is a log that several goroutines write to.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func TestPanicIsAnsweredAuditedAndKeptQuiet(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	g := gatewaytest.New(t, gatewaytest.Options{
		Log: slog.New(slog.NewTextHandler(&log, nil)),
		Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: &backendtest.Faulty{
			Backend: memory.New(memory.Options{}),
			Before:  func(context.Context, string) error { panic(theValue) },
		}}},
	})
	r := do(t, g, "a", http.MethodGet, "/secrets/x", "")
	if r.status != http.StatusInternalServerError || r.code() != "InternalServerError" || lastResult(t, g) != "internal error" {
		t.Errorf("%d %s, audited as %q", r.status, r.code(), lastResult(t, g))
	}
	if !strings.Contains(log.String(), "panic of type string at") || !strings.Contains(log.String(), "TestPanicIsAnswered") {
		t.Error("the log does not say where the panic rose")
	}
	if strings.Contains(log.String()+r.body+g.Audit.Text(), theValue) {
		t.Error("what was panicked with is disclosed")
	}
}

func TestAuditThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	set(t, g, "main", "x", theValue)
	g.Audit.Fill()
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/secrets/x", ""}, {"GET", "/secrets", ""}, {"POST", "/secrets/x/backup", ""}, {"PUT", "/secrets/y", `{"value":"y"}`}, {"GET", "/secrets/a_b", ""},
	} {
		r := do(t, g, "main", c.method, c.path, c.body)
		if r.status != http.StatusInternalServerError || strings.Contains(r.body, theValue) || strings.Contains(r.body, `"K`) {
			t.Errorf("%s %s: %d", c.method, c.path, r.status)
		}
	}
	if g.Service.Ready() == nil {
		t.Error("the gateway is still ready")
	}
}

func TestBodyOverTheLimit(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	large := `{"value":"` + strings.Repeat("x", 1<<20) + `"}`
	for name, body := range map[string]io.Reader{
		"announced": strings.NewReader(large), "not announced": io.MultiReader(strings.NewReader(large)),
	} {
		if r := doFrom(t, g, "main", http.MethodPut, "/secrets/x", body); r.status != http.StatusRequestEntityTooLarge || lastResult(t, g) != "too large" {
			t.Errorf("%s: %d, audited as %q", name, r.status, lastResult(t, g))
		}
	}
	if r := do(t, g, "main", http.MethodPut, "/secrets/x", `{"value":"`+strings.Repeat("x", 25_601)+`"}`); r.status != 400 || r.code() != "BadParameter" {
		t.Errorf("a value over the limit: %d %s", r.status, r.code())
	}
	if r := do(t, g, "main", http.MethodGet, "/secrets/x", ""); r.status != http.StatusNotFound {
		t.Errorf("something was written: %d", r.status)
	}
}

func TestClientGoneInTheMiddle(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	body, w := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, g.VaultURL("main")+"/secrets/x?api-version=7.4", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.Token)
	go func() {
		_, _ = w.Write([]byte(`{"value":"half`)) // the reader may be gone
		cancel()
	}()
	if resp, err := g.Client.Do(r); err == nil {
		_ = resp.Body.Close()
		t.Fatalf("answered with %d", resp.StatusCode)
	}
	for len(g.Audit.Entries(t)) == 0 { // the server notices in its own time
		select {
		case <-t.Context().Done():
			t.Fatal("no audit line")
		case <-time.After(time.Millisecond):
		}
	}
	if got := do(t, g, "main", http.MethodGet, "/secrets/x", ""); got.status != http.StatusNotFound {
		t.Errorf("something was written: %d", got.status)
	}
	if got := g.Audit.Entries(t)[0]; got.Result != "invalid" || got.Name != "x" {
		t.Errorf("audited as %q of %q", got.Result, got.Name)
	}
}

func TestBadBlobs(t *testing.T) {
	t.Parallel()
	g, other := twoStores(t), twoStores(t)
	set(t, g, "a", "x", theValue)
	set(t, other, "a", "x", theValue)
	good := blobOf(t, g, "a", "x")
	const head = len(`{"value":"`)
	raw, err := base64.RawURLEncoding.DecodeString(good[head : len(good)-2])
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"one character turned":   turned(good, head+len(good)/2),
		"first character turned": turned(good, head),
		"last character turned":  turned(good, len(good)-3),
		"cut":                    good[:len(good)-12] + `"}`,
		"cut in the header":      good[:head+80] + `"}`,
		"padded":                 strings.TrimSuffix(good, `"}`) + `=="}`,
		"of the real service":    `{"value":"KUF6dXJlS2V5VmF1bHRTZWNyZXRCYWNrdXBWMS5taWNyb3NvZnQuY29tZXlKcmFXUWlPaUprTVdRaWZRLmEuYi5jLmQ"}`,
		"wrapped as huawei does": `{"value":"` + string(raw) + `"}`,
		"in base64, not url":     strings.Replace(good, `"}`, `+/"}`, 1),
	} {
		if r := do(t, g, "b", http.MethodPost, "/secrets/restore", body); r.status != 400 || r.code() != "Malformed backup blob" || lastResult(t, g) != "corrupt" {
			t.Errorf("%s: %d %s, audited as %q", name, r.status, r.code(), lastResult(t, g))
		}
	}
	if r := do(t, g, "b", http.MethodPost, "/secrets/restore", blobOf(t, other, "a", "x")); r.status != 400 || r.code() != "Malformed backup blob" ||
		!strings.Contains(r.body, `"Cannot decrypt backup blob."`) || lastResult(t, g) != "no key" {
		t.Errorf("of another keyring: %d %s, audited as %q", r.status, r.body, lastResult(t, g))
	}
	if r := do(t, g, "b", http.MethodGet, "/secrets", ""); r.body != `{"value":[],"nextLink":null}` {
		t.Error("something was written")
	}
	if r := do(t, g, "b", http.MethodPost, "/secrets/restore", good); r.status != 200 {
		t.Errorf("the blob itself is no good: %d", r.status)
	}
}

func turned(s string, i int) string {
	c := byte('A')
	if s[i] == c {
		c = 'E'
	}
	return s[:i] + string(c) + s[i+1:]
}

// A blob must not be a way round the rules of the store that it left.
func TestBlobFromAStoreThatTheCallerMayNotRead(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{
		Stores: []gateway.Store{
			{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})},
			{Name: "b", Kind: "memory", Backend: memory.New(memory.Options{})},
		},
		Policy: []access.Rule{
			{Callers: []string{"*"}, Allow: []string{"set", "backup"}, Stores: []string{"a"}, Names: []string{"*"}},
			{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"b"}, Names: []string{"*"}},
		},
	})
	set(t, g, "a", "x", theValue)
	if r := do(t, g, "b", http.MethodPost, "/secrets/restore", blobOf(t, g, "a", "x")); r.status != 403 || r.code() != "Forbidden" {
		t.Errorf("%d %s", r.status, r.code())
	}
	if r := do(t, g, "b", http.MethodGet, "/secrets/x", ""); r.status != 404 {
		t.Errorf("something was written: %d", r.status)
	}
}

// lossy is a store that would lose the value of the first version.
type lossy struct{ backends.Backend }

func (lossy) Forecast(*secret.Secret) []secret.Loss {
	return []secret.Loss{{Grade: secret.Data, Version: 1, What: "value", Why: "it is out of fashion"}}
}

func TestRestoreThatWouldLose(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})},
		{Name: "b", Kind: "memory", Backend: lossy{memory.New(memory.Options{})}},
	}})
	set(t, g, "a", "x", theValue)
	r := do(t, g, "b", http.MethodPost, "/secrets/restore", blobOf(t, g, "a", "x"))
	if r.status != 400 || r.code() != "BadParameter" || !strings.Contains(r.body, "version 1") || !strings.Contains(r.body, "it is out of fashion") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if lastResult(t, g) != "lossy" {
		t.Errorf("audited as %q", lastResult(t, g))
	}
}

// A connection lives on after the challenge of a request with a body.
func TestConnectionOutlivesTheChallenge(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.VaultURL("main")+"/secrets/x?api-version=7.4", strings.NewReader(`{"value":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := g.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), `Bearer authorization="https://`) {
		t.Fatalf("%d %q", resp.StatusCode, resp.Header.Get("WWW-Authenticate"))
	}
	set(t, g, "main", "x", theValue)
	if strings.Contains(g.Audit.Text(), theValue) {
		t.Error("the audit holds a value")
	}
}
