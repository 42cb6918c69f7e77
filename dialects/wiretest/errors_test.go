package wiretest_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/dialects/wiretest"
	"github.com/vaultferry/vaultferry/secret"
)

// counter takes failures instead of failing.
type counter struct {
	testing.TB
	failures int
}

func (*counter) Helper()                 {}
func (c *counter) Errorf(string, ...any) { c.failures++ }
func (c *counter) Error(...any)          { c.failures++ }

// TestCheckErrorsFails gives the check tables with one flaw each.
func TestCheckErrorsFails(t *testing.T) {
	t.Parallel()
	all := func(secret.Kind) bool { return true }
	good := func(err error) wire.Reply {
		return wire.Reply{Status: http.StatusBadRequest, Body: secret.KindOf(err).Error()}
	}
	for name, c := range map[string]struct {
		known  func(secret.Kind) bool
		render func(error) wire.Reply
		fails  bool
	}{
		"none":        {all, good, false},
		"missing row": {func(k secret.Kind) bool { return k != secret.Lossy }, good, true},
		"shows cause": {all, func(err error) wire.Reply {
			return wire.Reply{Status: http.StatusBadRequest, Body: err.Error()}
		}, true},
		"shows cause in a header": {all, func(err error) wire.Reply {
			r := good(err)
			r.Header = http.Header{"X": {err.Error()}}
			return r
		}, true},
		"no error status": {all, func(err error) wire.Reply {
			return wire.Reply{Status: http.StatusOK, Body: secret.KindOf(err).Error()}
		}, true},
		"kindless is not internal": {all, func(err error) wire.Reply {
			var k *secret.Error
			if !errors.As(err, &k) && !errors.Is(err, secret.KindOf(err)) {
				return wire.Reply{Status: http.StatusBadRequest, Body: "other"}
			}
			return good(err)
		}, true},
	} {
		var got counter
		wiretest.CheckErrors(&got, c.known, c.render)
		if (got.failures > 0) != c.fails {
			t.Errorf("flaw %q: %d failures", name, got.failures)
		}
	}
}
