package e2e

import (
	"net/http"
	"strings"
	"testing"
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
