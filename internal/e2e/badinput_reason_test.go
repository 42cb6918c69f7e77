package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

const reasonHeader = "Vaultferry-Reason"

var oneLine = regexp.MustCompile(`^[!-~]([ -~]{0,510}[!-~])?$`)

// refusals are the kinds of which the client must learn why, and hidden those of
// which it must not: nobody without the right, nor about what may not be seen.
var (
	refusals = []secret.Kind{secret.Invalid, secret.TooLarge, secret.Unsupported, secret.Corrupt, secret.Lossy, secret.NoKey}
	hidden   = []secret.Kind{secret.Unauthenticated, secret.Denied, secret.NotFound, secret.Internal, secret.Upstream}
)

// checkReason: the header says what the audit says, or nothing.
func (w *badWorld) checkReason(t *testing.T, a *answer) {
	t.Helper()
	var last audit.Entry
	for _, e := range w.audit.Entries(t)[w.marked:] {
		if e.Phase == audit.Outcome {
			last = e
		}
	}
	said := a.header.Values(reasonHeader)
	is := func(kinds []secret.Kind) bool {
		return slices.ContainsFunc(kinds, func(k secret.Kind) bool { return k.Error() == last.Result })
	}
	switch {
	case last.Caller == "" || is(hidden):
		if len(said) > 0 {
			t.Errorf("whoever is told %q learns why: %q", last.Result, said)
		}
	case len(said) > 1, len(said) == 1 && (said[0] != last.Reason || !oneLine.MatchString(said[0])):
		t.Errorf("the reasons are %q, in the audit %q", said, last.Reason)
	case len(said) == 0 && (last.Reason != "" || is(refusals) && w.main.Before == nil):
		t.Errorf("nobody is told why %q came; the audit has %q", last.Result, last.Reason)
	}
}

// withoutRight are bad requests for a store in which the caller has no right to
// the operation. None is told why it is bad, and Azure's clients are not told
// which member.
var withoutRight = []struct {
	v vendor
	x *exchange
}{
	{azureWire{}, &exchange{method: httpPut, path: "/secrets/new", body: `{"value":"` + hush + `","tags":{` + manyTags(17) + `}}`}},
	{azureWire{}, &exchange{method: httpPut, path: "/secrets/new", body: `{"value":"` + hush}},
	{azureWire{}, &exchange{method: httpPut, path: "/secrets/new", body: `{"value":"` + hush + strings.Repeat("x", 30_000) + `"}`}},
	{azureWire{}, &exchange{method: httpGet, path: "/secrets", query: "api-version=7.4&maxresults=99"}},
	{azureWire{}, &exchange{method: httpPost, path: "/secrets/restore", body: `{"value":")"}`}},
	{azureWire{}, &exchange{method: httpPost, path: "/secrets/restore", made: inWire(foreign)}},
	{azureWire{}, &exchange{method: httpGet, path: "/secrets/under_score"}},
	{huaweiWire{}, &exchange{method: httpPost, path: "/secrets", body: `{"name":"new","secret_string":"` + hush}},
	{huaweiWire{}, &exchange{method: httpGet, path: "/secrets", query: "limit=0"}},
	{huaweiWire{}, &exchange{method: httpPost, path: "/secrets/restore", body: `{"secret_blob":""}`}},
	{huaweiWire{}, &exchange{method: httpPost, path: "/secrets/restore", made: inJSONOf("secret_blob", foreign)}},
	{huaweiWire{}, &exchange{method: httpGet, path: "/csms/0f8fad5b-d9cb-469f-a165-70867728950e/tags"}},
	{huaweiWire{}, &exchange{method: httpPost, path: "/csms/0f8fad5b-d9cb-469f-a165-70867728950e/tags", body: `{"tag":7}`}},
	{huaweiWire{}, &exchange{method: httpPost, path: "/secrets/theirs/rotate"}},
}

// TestNoReasonWithoutTheRight: neither in the header nor in the message.
func TestNoReasonWithoutTheRight(t *testing.T) {
	t.Parallel()
	w := newBadWorld(t, nil)
	for _, c := range withoutRight {
		c.x.store = "private"
		body := c.x.body
		if c.x.made != nil {
			body = c.x.made(t, w)
		}
		a := w.send(t, c.v, c.x, "HTTP/2.0", body)
		if a.status < 400 || len(a.header.Values(reasonHeader)) > 0 {
			t.Errorf("%s %s %s: %d, and why: %q", c.v, c.x.method, c.x.path, a.status, a.header.Values(reasonHeader))
		}
		for _, named := range []string{"tags", "maxresults", "not a JSON", "30000", "does not hold"} {
			if c.v == (azureWire{}) && strings.Contains(string(a.body), named) {
				t.Errorf("%s %s: the message names what is wrong: %s", c.x.method, c.x.path, a.body)
			}
		}
	}
	w.checkSilent(t, "the audit", w.audit.Text())
}
