package sdkhmac_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// FuzzParse: what is taken is what its own spelling says, in either form.
func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Authorization)
	}
	f.Add("V11-HMAC-SHA256 Credential=a/b/20240102/r/s, SignedHeaders=x-sdk-date, Signature=" + strings.Repeat("0a", 32))
	f.Fuzz(func(t *testing.T, h string) {
		a, err := sdkhmac.Parse(h)
		if err != nil {
			return
		}
		if a.String() != h {
			t.Errorf("%q was taken for %q", h, a.String())
		}
		if !strings.HasPrefix(h, a.Algorithm()+" ") || (a.Scope != "") != (a.Algorithm() == sdkhmac.DerivedAlgorithm) {
			t.Errorf("%q: scope %q with %s", h, a.Scope, a.Algorithm())
		}
		if a.Access == "" || !slices.IsSorted(a.SignedHeaders) || len(slices.Compact(slices.Clone(a.SignedHeaders))) != len(a.SignedHeaders) {
			t.Errorf("%q: taken with key %q and headers %v", h, a.Access, a.SignedHeaders)
		}
	})
}

// FuzzCanonical signs any request by the naive form, in either form: it must
// verify, however the same target is spelled, and nothing else may.
func FuzzCanonical(f *testing.F) {
	f.Add("/v1/p/secrets", "limit=2&marker", "agent", "host", []byte("{}\n"), byte(0))
	f.Add("/a%20b/%2F//./%25", "a=%2B&a=+&&=&b;c=d=e", " a  b ", "", []byte(nil), byte(1))
	f.Add("", "é=%C3%a9&A=b&a=B", "\u00a0", "h:1", []byte("\n"), byte(2))
	f.Fuzz(func(t *testing.T, path, query, agent, host string, body []byte, change byte) {
		target, err := url.ParseRequestURI("/" + strings.TrimPrefix(path, "/"))
		if err != nil {
			return
		}
		r := &http.Request{Method: http.MethodPost, URL: target, Host: host, Header: http.Header{}}
		r.URL.RawQuery = query
		r.Header.Set("User-Agent", agent)
		r.Header.Set("X-Sdk-Date", "20260102T030405Z")
		signed := []string{"host", "user-agent", "x-sdk-date"}
		if _, err := naiveCanonical(r, body, signed); err != nil {
			if sdkhmac.Sign(r, body, testKey, secret.TextValue(testSecret), testNow) == nil {
				t.Fatalf("%q was signed: %v", query, err)
			}
			return
		}
		scope := ""
		if change%2 == 1 {
			scope = "20260102/r/s"
		}
		naiveSign(t, r, body, signed, testKey, testSecret, scope)
		j := newJudge(t, r, string(body), testSecret, testNow)
		r.URL.RawQuery = respell(query)
		if j.check(t, "the query spelled anew", r, j.body) {
			t.Error("another spelling of the same query is refused")
		}
		r.URL.RawQuery = query
		if !j.check(t, "a longer body", r, j.body+"x") {
			t.Error("a longer body is taken")
		}
		for _, s := range []*string{&r.URL.Path, &r.URL.RawQuery, &r.Host} {
			if whole := *s; whole != "" {
				b := []byte(whole)
				b[int(change)%len(b)] ^= 1 << (change % 8)
				*s = string(b)
				j.check(t, "a bit turned", r, j.body) // the judge knows whether it matters
				*s = whole
			}
		}
	})
}

// respell escapes every byte of the parameters, and turns their order.
func respell(query string) string {
	parts := strings.Split(query, "&")
	slices.Reverse(parts)
	for i, part := range parts {
		var words []string
		for _, word := range strings.SplitN(part, "=", 2) {
			plain, err := url.QueryUnescape(word)
			if err != nil {
				return query
			}
			var b strings.Builder
			for _, c := range []byte(plain) {
				b.WriteString("%" + strings.ToLower(hexOf(c)))
			}
			words = append(words, b.String())
		}
		parts[i] = strings.Join(words, "=")
	}
	return strings.Join(parts, "&")
}

func hexOf(c byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// FuzzSign: what Sign signs verifies, and passes for no longer body.
func FuzzSign(f *testing.F) {
	f.Add("/v1/p/secrets", "limit=2&marker", "agent", []byte("{}"))
	f.Add("/a%20b/%2F", "a=%2B&a=+&&=", "", []byte(nil))
	f.Fuzz(func(t *testing.T, path, query, agent string, body []byte) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://kms.example"+path, http.NoBody)
		if err != nil || r.Host != "kms.example" {
			return
		}
		r.URL.RawQuery = query
		r.Header.Set("User-Agent", agent)
		if sdkhmac.Sign(r, body, testKey, secret.TextValue(testSecret), testNow) != nil {
			return
		}
		j := newJudge(t, r, string(body), testSecret, testNow)
		if !j.check(t, "a longer body", r, "x"+j.body) {
			t.Error("a changed body verifies")
		}
	})
}
