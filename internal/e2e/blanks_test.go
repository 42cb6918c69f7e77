package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestBlanksAroundBlobs: blanks and line ends that a file or a shell has put
// around a backup do no harm, through either API.
func TestBlanksAroundBlobs(t *testing.T) {
	t.Parallel()
	around := func(b making, in func(making) func(*testing.T, *badWorld) string) func(*testing.T, *badWorld) string {
		return func(t *testing.T, w *badWorld) string {
			body := in(b)(t, w)
			const open = `":"`
			at := strings.Index(body, open) + len(open)
			return body[:at] + `\r\n\t ` + strings.TrimSuffix(body[at:], `"}`) + ` \r\n\n"}`
		}
	}
	for _, c := range []struct {
		v    vendor
		made func(*testing.T, *badWorld) string
	}{
		{azureWire{}, around(taken, inWire)},
		{huaweiWire{}, around(taken, func(b making) func(*testing.T, *badWorld) string { return inJSONOf("secret_blob", b) })},
	} {
		t.Run(c.v.String(), func(t *testing.T) {
			t.Parallel()
			w := newBadWorld(t, nil)
			x := &exchange{store: "spare", method: httpPost, path: "/secrets/restore"}
			for i, want := range []int{http.StatusOK, 0} { // again: it is known as the same blob, and taken
				a := w.send(t, c.v, x, "HTTP/2.0", c.made(t, w))
				if (a.status == http.StatusOK) != (want == http.StatusOK) || a.status == http.StatusInternalServerError {
					t.Errorf("time %d: %d %s", i+1, a.status, a.body)
				}
			}
		})
	}
}

// TestMarkedBodies: a byte order mark before a body is no part of it, and neither
// is an encoding that is none.
func TestMarkedBodies(t *testing.T) {
	t.Parallel()
	plainly := func(_ *badWorld, r *http.Request) { r.Header.Set("Content-Encoding", "Identity") }
	for _, c := range []struct {
		v vendor
		x *exchange
	}{
		{azureWire{}, &exchange{method: httpPut, path: "/secrets/new", body: "\ufeff{\"value\":\"\ufeffkept\"}", change: plainly}},
		{huaweiWire{}, &exchange{method: httpPost, path: "/secrets", body: "\ufeff{\"name\":\"new\",\"secret_string\":\"\ufeffkept\"}", change: plainly}},
	} {
		t.Run(c.v.String(), func(t *testing.T) {
			t.Parallel()
			w := newBadWorld(t, nil)
			if a := w.send(t, c.v, c.x, "HTTP/2.0", c.x.body); a.status != http.StatusOK {
				t.Fatalf("answered %d: %s", a.status, c.v.parse(t, a).message)
			}
			s, err := w.stores["main"].Get(t.Context(), "new", secret.Current)
			if err != nil || !s.Newest().Value.Equal(secret.TextValue("\ufeffkept")) {
				t.Errorf("another value was written (%v)", err)
			}
		})
	}
}
