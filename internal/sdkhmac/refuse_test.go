package sdkhmac_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	testKey    = "AKEXAMPLE"
	testSecret = "example secret of a test"
)

var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// signed returns a signed request that edit, if any, changes afterwards.
func signed(t testing.TB, target, body string, edit func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://kms.example"+target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Host", "kms.example")
	r.Header.Set("User-Agent", "test")
	if err := sdkhmac.Sign(r, []byte(body), testKey, secret.TextValue(testSecret), testNow); err != nil {
		t.Fatal(err)
	}
	r.Header.Del("Host")
	if edit != nil {
		edit(r)
	}
	return r
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	set := func(k string, v ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[http.CanonicalHeaderKey(k)] = v }
	}
	target := func(s string) func(*http.Request) {
		return func(r *http.Request) {
			u, err := r.URL.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			r.URL = u
		}
	}
	for name, c := range map[string]struct {
		edit func(*http.Request)
		want error
	}{
		"untouched":              {nil, nil},
		"an unsigned header":     {set("X-Project-Id", "p"), nil},
		"the body's own hash":    {set(sdkhmac.HeaderSHA256, "230d8358dc8e8890b4c58deeb62912ee2f20357ae92a5cc861b98e68fe31acb5"), nil},
		"another body's hash":    {set(sdkhmac.HeaderSHA256, strings.Repeat("0", 64)), sdkhmac.ErrRequest},
		"unsigned, said later":   {set(sdkhmac.HeaderSHA256, sdkhmac.UnsignedPayload), sdkhmac.ErrSignature},
		"a hash said twice":      {set(sdkhmac.HeaderSHA256, sdkhmac.UnsignedPayload, sdkhmac.UnsignedPayload), sdkhmac.ErrRequest},
		"a signed header twice":  {set("User-Agent", "test", "test"), sdkhmac.ErrRequest},
		"a signed header gone":   {func(r *http.Request) { r.Header.Del("User-Agent") }, sdkhmac.ErrRequest},
		"another host":           {func(r *http.Request) { r.Host = "kms.example:8443" }, sdkhmac.ErrSignature},
		"two dates":              {set(sdkhmac.HeaderDate, "20260102T030405Z", "20260102T030405Z"), sdkhmac.ErrDate},
		"no date":                {func(r *http.Request) { r.Header.Del(sdkhmac.HeaderDate) }, sdkhmac.ErrDate},
		"another date":           {set(sdkhmac.HeaderDate, "20260102T030406Z"), sdkhmac.ErrSignature},
		"a date with a fraction": {set(sdkhmac.HeaderDate, "20260102T030405.0Z"), sdkhmac.ErrDate},
		"an escaped slash":       {target("/v1/p%2Fsecrets?b=2&a=1"), sdkhmac.ErrSignature},
		"a doubled slash":        {target("/v1//p/secrets?b=2&a=1"), sdkhmac.ErrSignature},
		"dots":                   {target("/v1/p/./secrets?b=2&a=1"), nil}, // url.Parse resolves them
		"a query value more":     {target("/v1/p/secrets?b=2&a=1&a=2"), sdkhmac.ErrSignature},
		"a query in other order": {target("/v1/p/secrets?a=1&b=2"), nil},
		"a broken query":         {func(r *http.Request) { r.URL.RawQuery = "a=%zz" }, sdkhmac.ErrRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := signed(t, "/v1/p/secrets?b=2&a=1", "body", c.edit)
			if err := verify(r, []byte("body"), testSecret, testNow); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		off  time.Duration
		want error
	}{
		{sdkhmac.Window, nil},
		{-sdkhmac.Window, nil},
		{sdkhmac.Window + time.Second, sdkhmac.ErrDate},
		{-sdkhmac.Window - time.Second, sdkhmac.ErrDate},
	} {
		if err := verify(signed(t, "/", "", nil), nil, testSecret, testNow.Add(c.off)); !errors.Is(err, c.want) {
			t.Errorf("%s off: got %v, want %v", c.off, err, c.want)
		}
	}
}

func TestDateMustBeSigned(t *testing.T) {
	t.Parallel()
	r := signed(t, "/", "", nil)
	a, err := sdkhmac.Parse(r.Header.Get("Authorization"))
	if err != nil {
		t.Fatal(err)
	}
	a.SignedHeaders = []string{"user-agent"}
	if err := sdkhmac.Verify(r, nil, a, secret.TextValue(testSecret), testNow); !errors.Is(err, sdkhmac.ErrDate) {
		t.Errorf("got %v, want ErrDate", err)
	}
}

func TestAnEmptySecretNeverVerifies(t *testing.T) {
	t.Parallel()
	r := signed(t, "/", "", nil)
	if err := sdkhmac.Sign(r, nil, testKey, secret.Value{}, testNow); err != nil {
		t.Fatal(err)
	}
	if err := verify(r, nil, "", testNow); !errors.Is(err, sdkhmac.ErrSignature) {
		t.Errorf("got %v, want ErrSignature", err)
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	sig := strings.Repeat("0a", 32)
	good := "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=" + sig
	for name, c := range map[string]struct {
		header string
		want   error
	}{
		"good":              {good, nil},
		"empty":             {"", sdkhmac.ErrAlgorithm},
		"bearer":            {"Bearer x", sdkhmac.ErrAlgorithm},
		"sm3":               {strings.Replace(good, "SHA256", "SM3", 1), sdkhmac.ErrAlgorithm},
		"v11":               {strings.Replace(good, "SDK", "V11", 1), sdkhmac.ErrAlgorithm},
		"algorithm alone":   {"SDK-HMAC-SHA256", sdkhmac.ErrAlgorithm},
		"no parts":          {"SDK-HMAC-SHA256 ", sdkhmac.ErrMalformed},
		"two spaces":        {strings.Replace(good, " ", "  ", 1), sdkhmac.ErrMalformed},
		"no space":          {strings.ReplaceAll(good, ", ", ","), sdkhmac.ErrMalformed},
		"a part twice":      {good + ", Signature=" + sig, sdkhmac.ErrMalformed},
		"signed twice":      {strings.Replace(good, "Signature=", "SignedHeaders=x-sdk-date, Signature=", 1), sdkhmac.ErrMalformed},
		"other order":       {"SDK-HMAC-SHA256 SignedHeaders=x-sdk-date, Access=AK, Signature=" + sig, sdkhmac.ErrMalformed},
		"no access":         {strings.Replace(good, "AK", "", 1), sdkhmac.ErrMalformed},
		"access with space": {strings.Replace(good, "AK", "A K", 1), sdkhmac.ErrMalformed},
		"long access":       {strings.Replace(good, "AK", strings.Repeat("A", 129), 1), sdkhmac.ErrMalformed},
		"no headers":        {strings.Replace(good, "host;x-sdk-date", "", 1), sdkhmac.ErrMalformed},
		"header twice":      {strings.Replace(good, "host;", "host;host;", 1), sdkhmac.ErrMalformed},
		"unsorted":          {strings.Replace(good, "host;x-sdk-date", "x-sdk-date;host", 1), sdkhmac.ErrMalformed},
		"upper case":        {strings.Replace(good, "host", "Host", 1), sdkhmac.ErrMalformed},
		"header with LF":    {strings.Replace(good, "host", "ho\nst", 1), sdkhmac.ErrMalformed},
		"empty header":      {strings.Replace(good, "host;", ";", 1), sdkhmac.ErrMalformed},
		"short signature":   {good[:len(good)-2], sdkhmac.ErrMalformed},
		"long signature":    {good + "0a", sdkhmac.ErrMalformed},
		"upper signature":   {strings.Replace(good, "0a", "0A", 1), sdkhmac.ErrMalformed},
		"no hex":            {strings.Replace(good, "0a", "0g", 1), sdkhmac.ErrMalformed},
		"trailing space":    {good + " ", sdkhmac.ErrMalformed},
		"too long":          {strings.Replace(good, "x-sdk", strings.Repeat("x", 9000), 1), sdkhmac.ErrMalformed},
	} {
		if _, err := sdkhmac.Parse(c.header); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.Authorization)
	}
	f.Fuzz(func(t *testing.T, h string) {
		a, err := sdkhmac.Parse(h)
		if err == nil && a.String() != h {
			t.Errorf("%q was taken for %q", h, a.String())
		}
	})
}

// FuzzVerify signs any target, header and body; the signature must verify, and
// fail for the body with one byte more.
func FuzzVerify(f *testing.F) {
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
		if err := verify(r, body, testSecret, testNow); err != nil {
			t.Fatalf("own signature: %v", err)
		}
		if err := verify(r, append([]byte{'x'}, body...), testSecret, testNow); err == nil {
			t.Fatal("a changed body verifies")
		}
	})
}
