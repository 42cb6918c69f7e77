package kit_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
)

// TestRetryAfter: whatever a product sends, nobody waits longer than an hour,
// nor less than not at all.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "0": 0, "7": 7 * time.Second, "3601": time.Hour,
		"9223372036854775807": time.Hour, "99999999999999999999": 0,
		"Mon, 01 Jan 2001 00:00:00 GMT": 0, "Fri, 01 Jan 2999 00:00:00 GMT": time.Hour,
	} {
		if got := kit.RetryAfter(http.Header{"Retry-After": {text}}); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
