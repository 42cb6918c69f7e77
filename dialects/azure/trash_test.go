package azure_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/dialects/wiretest"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestTrashTrouble gives the product trouble in every operation on deleted
// secrets and attributes: the answer is the documented one, and says nothing of
// the cause.
func TestTrashTrouble(t *testing.T) {
	t.Parallel()
	var next atomic.Pointer[secret.Error]
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: &backendtest.Faulty{
		Backend: memory.New(memory.Options{}),
		Before: func(_ context.Context, method string) error {
			if e := next.Load(); e != nil && e.Op == method {
				return e
			}
			return nil
		},
	}}}})
	set(t, g, "a", "live", theValue)
	set(t, g, "a", "gone", theValue)
	if r := do(t, g, "a", http.MethodDelete, "/secrets/gone", ""); r.status != http.StatusOK {
		t.Fatalf("delete: %d %s", r.status, r.code())
	}
	for _, c := range []struct {
		fails        string
		kind         secret.Kind
		method, path string
		status       int
		want         string
	}{
		{"Purge", secret.Conflict, "DELETE", "/deletedsecrets/gone", 409, `"innererror":{"code":"ObjectIsBeingDeleted"}`},
		{"Recover", secret.Conflict, "POST", "/deletedsecrets/gone/recover", 409, `Secret is currently being deleted.`},
		{"Delete", secret.Conflict, "DELETE", "/secrets/live", 409, `"code":"Conflict"`},
		{"Update", secret.Conflict, "PATCH", "/secrets/live", 409, `"code":"Conflict"`},
		{"Update", secret.Lossy, "PATCH", "/secrets/live", 400, `"code":"BadParameter"`},
		{"Delete", secret.Unknown, "DELETE", "/secrets/live", 503, `"code":"ServiceUnavailable"`},
		{"Purge", secret.Unknown, "DELETE", "/deletedsecrets/gone", 503, `"code":"ServiceUnavailable"`},
		{"Recover", secret.Upstream, "POST", "/deletedsecrets/gone/recover", 500, `"code":"InternalServerError"`},
		{"DescribeTrash", secret.Upstream, "GET", "/deletedsecrets/gone", 500, `"code":"InternalServerError"`},
		{"ListTrash", secret.Unsupported, "GET", "/deletedsecrets", 400, `"code":"NotSupported"`},
		{"DescribeTrash", secret.NotFound, "GET", "/deletedsecrets/gone", 404, `Deleted Secret not found: gone`},
		{"Put", secret.Trashed, "PUT", "/secrets/x", 409, `Secret x is currently in a deleted but recoverable state`},
	} {
		next.Store(&secret.Error{Kind: c.kind, Op: c.fails, Err: errors.New(wiretest.Cause)})
		body := ""
		if c.method == "PATCH" || c.method == "PUT" {
			body = `{"value":"` + theValue + `"}`
		}
		r := do(t, g, "a", c.method, c.path, body)
		if r.status != c.status || !strings.Contains(r.body, c.want) {
			t.Errorf("%s of %s: %d %s", c.kind, c.fails, r.status, r.body)
		}
		if strings.Contains(r.body, wiretest.Cause) || strings.Contains(r.body, theValue) {
			t.Errorf("%s of %s: the answer discloses", c.kind, c.fails)
		}
		if got := lastResult(t, g); got != c.kind.Error() {
			t.Errorf("%s of %s: the audit says %q", c.kind, c.fails, got)
		}
	}
	next.Store(nil)
	if r := do(t, g, "a", http.MethodPost, "/deletedsecrets/gone/recover", ""); r.status != http.StatusOK {
		t.Errorf("after all that it cannot be recovered: %d", r.status)
	}
}

// What is over is gone: it can be neither seen nor recovered, and its name is
// free, though nobody has purged it.
func TestRetentionIsOver(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	g := gatewaytest.New(t, gatewaytest.Options{Now: now, Stores: []gateway.Store{
		{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{Now: now}), RetentionDays: 7, PurgeProtection: true},
	}})
	set(t, g, "a", "x", theValue)
	blob := blobOf(t, g, "a", "x")
	ask := func(what string, status int, method, path, body string) {
		t.Helper()
		if r := do(t, g, "a", method, path, body); r.status != status {
			t.Errorf("%s: %d %s", what, r.status, r.code())
		}
	}
	ask("delete", 200, "DELETE", "/secrets/x", "")
	ahead.Store(int64(7*24*time.Hour - time.Minute))
	ask("a minute before", 200, "GET", "/deletedsecrets/x", "")
	ask("purge before", 403, "DELETE", "/deletedsecrets/x", "")
	ask("set before", 409, "PUT", "/secrets/x", `{"value":"x"}`)
	ahead.Store(int64(7*24*time.Hour + time.Minute))
	ask("get", 404, "GET", "/deletedsecrets/x", "")
	ask("recover", 404, "POST", "/deletedsecrets/x/recover", "")
	ask("purge", 404, "DELETE", "/deletedsecrets/x", "")
	if r := do(t, g, "a", "GET", "/deletedsecrets", ""); r.body != `{"value":[],"nextLink":null}` {
		t.Errorf("what is over is listed: %s", r.body)
	}
	ask("restore", 200, "POST", "/secrets/restore", blob)
	ask("delete again", 200, "DELETE", "/secrets/x", "")
	ahead.Store(int64(15 * 24 * time.Hour))
	ask("set", 200, "PUT", "/secrets/x", `{"value":"x"}`)
}
