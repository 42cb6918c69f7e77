package azure

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/secret"
)

// saidOfBodies are all reasons that a body is refused for, less numbers and the
// names of tags. Nothing else of a body gets into one.
var saidOfBodies = map[string]bool{
	"body: empty": true, "body: not valid UTF-N": true, "body: not a JSON object": true, "body: a member is given twice": true,
	"value: missing": true, "value: given twice": true, "value: not a string": true, "value: escapes half of a surrogate pair": true,
	"value: N bytes, at most N": true, "contentType: given twice": true, "contentType: not a string": true,
	"contentType: escapes half of a surrogate pair": true, "contentType: N characters, at most N": true,
	"attributes: given twice": true, "attributes: not an object": true, "attributes: a member is given twice": true,
	"attributes.enabled: given twice": true, "attributes.nbf: given twice": true, "attributes.exp: given twice": true,
	"attributes.enabled: neither true nor false":           true,
	"attributes.nbf: not a number of seconds from -N to N": true,
	"attributes.exp: not a number of seconds from -N to N": true,
	"enabled: given twice":                                 true, "nbf: given twice": true, "exp: given twice": true,
	"tags: given twice": true, "tags: not an object": true, "tags: N, at most N": true, "tags: a name has N characters, at most N": true,
	"tags: Q is given twice": true, "tags: the value of Q: not a string": true, "tags: the value of Q: escapes half of a surrogate pair": true,
	"tags: the value of Q has N characters, at most N": true,
	"attributes.value: given twice":                    true, "attributes.contentType: given twice": true, "attributes.attributes: given twice": true, "attributes.tags: given twice": true,
	"value: a backup as it is, not its base64url form": true, "value: not baseNurl without padding": true,
}

var (
	ofTag   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	numbers = regexp.MustCompile(`\d+`)
)

// wantReason fails if a refused body is not refused for one of these reasons.
func wantReason(t *testing.T, err error) {
	t.Helper()
	said := numbers.ReplaceAllString(ofTag.ReplaceAllString(secret.DetailOf(err), "Q"), "N")
	if !saidOfBodies[said] {
		t.Fatalf("refused with %q for %q", secret.KindOf(err), said)
	}
}

// TestWhyABodyIsRefused: the service's words stay to the byte where they are
// known, and the message names the member where they are not. The reason names
// it in either case.
func TestWhyABodyIsRefused(t *testing.T) {
	t.Parallel()
	long, longest := strings.Repeat("é", 300), strings.Repeat("é", 600)
	tags := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, `"`+string(rune('a'+i))+`":"x"`)
		}
		return strings.Join(all, ",")
	}
	for _, c := range []struct {
		body, reason string
		known        bool // what the service says
	}{
		{`{"value":"` + strings.Repeat("x", 25_601) + `"}`, "value: 25601 bytes, at most 25600", true},
		{`{"value":7}`, "value: not a string", true},
		{`{"value":"\ud83d"}`, "value: escapes half of a surrogate pair", true},
		{`{"value":"x","Value":"y"}`, "value: given twice", true},
		{`{"value":"x","contentType":"` + long + `"}`, "contentType: 300 characters, at most 255", true},
		{`{"value":"x","contentType":[]}`, "contentType: not a string", true},
		{`{"value":"x","attributes":7}`, "attributes: not an object", true},
		{`{"value":"x","attributes":{"enabled":"no"}}`, "attributes.enabled: neither true nor false", true},
		{`{"value":"x","attributes":{"exp":true}}`, "attributes.exp: not a number of seconds from -62135596800 to 253402300799", true},
		{`{"value":"x","attributes":{"nbf":"1","exp":1}}`, "attributes.nbf: not a number of seconds from -62135596800 to 253402300799", true},
		{`{"value":"x","attributes":{"exp":1,"EXP":2}}`, "attributes.exp: given twice", true},
		{`{"value":"x","tags":[]}`, "tags: not an object", true},
		{`{"value":"x","tags":{"größe":7}}`, `tags: the value of "größe": not a string`, true},
		{`{"value":"x","tags":{"a":"` + longest + `"}}`, `tags: the value of "a" has 600 characters, at most 512`, true},
		{`{"value":"x","tags":{"` + longest + `":"a"}}`, "tags: a name has 600 characters, at most 512", true},
		{`{"value":"x","tags":{"a":"b","a":"c"}}`, `tags: "a" is given twice`, true},
		{`{"value":"x","x":1,"x":2}`, "body: a member is given twice", true},
		{`{"value":"x","tags":{` + tags(17) + `}}`, "tags: 17, at most 15", false},
		{`{"tags":{}}`, "value: missing", false},
		{`{"value":null}`, "value: missing", false},
		{"", "body: empty", false},
		{"value=x", "body: not a JSON object", false},
		{`["x"]`, "body: not a JSON object", false},
		{"{\"value\":\"\xff\"}", "body: not valid UTF-8", false},
	} {
		_, err := decodeSet([]byte(c.body))
		if secret.KindOf(err) != secret.Invalid || secret.DetailOf(err) != c.reason {
			t.Errorf("%.60s: %q, want %q", c.body, secret.DetailOf(err), c.reason)
			continue
		}
		wantReason(t, err)
		r := &wire.Request{Request: httptest.NewRequestWithContext(t.Context(), http.MethodPut, "https://a.example/secrets/x", nil)}
		want := c.reason
		if c.known {
			want = messageInvalid
		}
		s := (&Dialect{}).describe(r, err)
		if s.status != http.StatusBadRequest || s.code != codeBadParameter || s.message != want {
			t.Errorf("%.60s: %d %s %q, want the message %q", c.body, s.status, s.code, s.message, want)
		}
		if s := (&Dialect{}).describe(r, withoutDetail(err)); s.message != messageInvalid {
			t.Errorf("%.60s: who may not know is told %q", c.body, s.message)
		}
	}
}
