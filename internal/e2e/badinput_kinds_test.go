package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// vendorText is what a product may say of itself, fit for logs alone.
const vendorText = "permission denied on secret/data/payments by policy hu5h-p0licy"

// everyCall are all calls that reach a product.
var everyCall = []struct {
	v vendor
	x *exchange
}{
	{azureWire{}, &exchange{method: httpGet, path: "/secrets/taken"}},
	{azureWire{}, &exchange{method: httpGet, path: "/secrets/taken/versions"}},
	{azureWire{}, &exchange{method: httpGet, path: "/secrets"}},
	{azureWire{}, &exchange{method: httpPut, path: "/secrets/taken", body: `{"value":"` + hush + `"}`}},
	{azureWire{}, &exchange{method: httpPost, path: "/secrets/taken/backup"}},
	{azureWire{}, &exchange{method: httpPost, path: "/secrets/restore", made: inWire(renamed)}},
	{azureWire{}, &exchange{method: http.MethodPatch, path: "/secrets/taken", body: `{"attributes":{"enabled":false}}`}},
	{azureWire{}, &exchange{method: http.MethodDelete, path: "/secrets/taken"}},
	{azureWire{}, &exchange{method: httpGet, path: "/deletedsecrets"}},
	{azureWire{}, &exchange{method: httpGet, path: "/deletedsecrets/taken"}},
	{azureWire{}, &exchange{method: http.MethodDelete, path: "/deletedsecrets/taken"}},
	{azureWire{}, &exchange{method: httpPost, path: "/deletedsecrets/taken/recover"}},
	{huaweiWire{}, &exchange{method: httpGet, path: "/secrets/taken"}},
	{huaweiWire{}, &exchange{method: httpGet, path: "/secrets/taken/versions"}},
	{huaweiWire{}, &exchange{method: httpGet, path: "/secrets/taken/versions/latest"}},
	{huaweiWire{}, &exchange{method: httpGet, path: "/secrets"}},
	{huaweiWire{}, &exchange{method: httpPost, path: "/secrets", body: `{"name":"new","secret_string":"` + hush + `"}`}},
	{huaweiWire{}, &exchange{method: httpPost, path: "/secrets/taken/versions", body: `{"secret_string":"` + hush + `"}`}},
	{huaweiWire{}, &exchange{method: httpPost, path: "/secrets/taken/backup"}},
	{huaweiWire{}, &exchange{method: httpPost, path: "/secrets/restore", made: inJSONOf("secret_blob", renamed)}},
}

// TestEveryKindFromEveryCall: whatever a product's failure, and whichever call
// meets it, the answer is an error of the vendor's shape without a word of the
// product's, the audit has the kind, and nothing changed.
func TestEveryKindFromEveryCall(t *testing.T) {
	t.Parallel()
	for _, kind := range secret.Kinds() {
		t.Run(kind.Error(), func(t *testing.T) {
			t.Parallel()
			w := newBadWorld(t, nil)
			for _, c := range everyCall {
				w.main.Before = nil
				body := c.x.body
				if c.x.made != nil {
					body = c.x.made(t, w)
				}
				w.mark(t)
				w.main.Before = func(context.Context, string) error {
					return &secret.Error{Kind: kind, RetryAfter: time.Hour, Err: errors.New(vendorText)}
				}
				a := w.send(t, c.v, c.x, "HTTP/2.0", body)
				w.checkFailure(t, c.v.String()+" "+c.x.method+" "+c.x.path, c.v, a, kind)
			}
		})
	}
}

func (w *badWorld) checkFailure(t *testing.T, call string, v vendor, a *answer, kind secret.Kind) {
	t.Helper()
	lines := w.audit.Entries(t)[w.marked:]
	last := lines[len(lines)-1]
	if last.Phase != audit.Outcome || last.Result != kind.Error() || len(lines) > 2 || (len(lines) == 2) != (lines[0].Phase == audit.Intent) {
		t.Errorf("%s: %d lines, the last %s %q", call, len(lines), last.Phase, last.Result)
	}
	w.checkUnchanged(t)
	if a.status < http.StatusBadRequest {
		if kind != secret.NotFound || !strings.HasSuffix(call, "/versions") { // azure lists nothing there
			t.Errorf("%s answers %d", call, a.status)
		}
		return
	}
	if got := v.parse(t, a); got.code == "" || got.message == "" || got.id != last.RequestID {
		t.Errorf("%s: code %q, message %q", call, got.code, got.message)
	}
	if strings.Contains(string(a.body)+fmt.Sprint(a.header), "p0licy") {
		t.Errorf("%s: the answer quotes the product", call)
	}
	w.checkSilent(t, "the answer", string(a.body))
	w.checkSilent(t, "the audit", w.audit.Text())
	if strings.Contains(w.audit.Text(), "p0licy") {
		t.Errorf("%s: the audit quotes the product", call)
	}
}

// TestThrottleOfTheWrong: five wrong proofs in a row slow down their pair of
// key and address, and nobody else.
func TestThrottleOfTheWrong(t *testing.T) {
	t.Parallel()
	w := newBadWorld(t, nil)
	w.mark(t)
	wrong := hwAs(func(w *badWorld, r *http.Request) { sdkSign(w, r, w.AccessKey, "wrong", time.Now()) }, "")
	right := &exchange{method: httpGet, path: "/secrets/taken"}
	for range 5 {
		if a := w.send(t, huaweiWire{}, wrong, "HTTP/1.1", ""); a.status != 401 {
			t.Errorf("answered %d", a.status)
		}
	}
	if a := w.send(t, huaweiWire{}, right, "HTTP/1.1", ""); a.status != 200 && a.status != 404 {
		t.Errorf("a right signature, under a secret that nobody guesses: %d", a.status)
	}
	for range 5 {
		w.send(t, huaweiWire{}, wrong, "HTTP/1.1", "")
	}
	a := w.send(t, huaweiWire{}, wrong, "HTTP/1.1", "")
	if got := (huaweiWire{}).parse(t, a); a.status != 401 || !strings.Contains(got.message, "AK access failed to reach the limit,forbidden.") {
		t.Errorf("the locked key: %d %q", a.status, got.message)
	}
	stale := azAs("Bearer stale", "")
	for range 5 {
		w.send(t, azureWire{}, stale, "HTTP/1.1", "")
	}
	a = w.send(t, azureWire{}, stale, "HTTP/1.1", "")
	if got := (azureWire{}).parse(t, a); a.status != 429 || got.code != "Throttled" || a.header.Get("Retry-After") != "" {
		t.Errorf("the stale token: %d %q", a.status, got.code)
	}
	if a := w.send(t, azureWire{}, right, "HTTP/1.1", ""); a.status != 200 {
		t.Errorf("the right token: %d", a.status)
	}
	if a := w.send(t, huaweiWire{}, &exchange{method: httpGet, path: "/secrets/taken", change: func(w *badWorld, r *http.Request) { hwToken(w.Token)(w, r) }}, "HTTP/1.1", ""); a.status != 200 {
		t.Errorf("the same caller's token: %d", a.status)
	}
	if lines := w.audit.Entries(t)[w.marked:]; len(lines) != 20 {
		t.Errorf("%d lines of 20 requests", len(lines))
	}
	w.checkUnchanged(t)
}
