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
		"an escaped slash":       {target("/v1/p%2Fsecrets?b=2&a=1"), nil}, // the scheme signs the decoded path
		"an escape of a letter":  {target("/v1/%70/secrets?%62=%32&a=1"), nil},
		"an escape escaped":      {target("/v1/%2570/secrets?b=2&a=1"), sdkhmac.ErrSignature},
		"a slash at the end":     {target("/v1/p/secrets/?b=2&a=1"), nil},
		"two slashes at the end": {target("/v1/p/secrets//?b=2&a=1"), sdkhmac.ErrSignature},
		"dots kept":              {func(r *http.Request) { r.URL.Path = "/v1/p/./secrets" }, sdkhmac.ErrSignature},
		"dots up":                {func(r *http.Request) { r.URL.Path = "/v1/p/x/../secrets" }, sdkhmac.ErrSignature},
		"empty parameters":       {target("/v1/p/secrets?b=2&&a=1&"), nil},
		"a semicolon between":    {target("/v1/p/secrets?b=2;a=1"), sdkhmac.ErrSignature},
		"the date in the query": {func(r *http.Request) {
			r.Header.Del(sdkhmac.HeaderDate)
			r.URL.RawQuery += "&X-Sdk-Date=20260102T030405Z"
		}, sdkhmac.ErrDate},
		"spaces around a header": {set("User-Agent", " test\t"), nil},
		"spaces in a header":     {set("User-Agent", "te st"), sdkhmac.ErrSignature},
		"a hash in upper case":   {set(sdkhmac.HeaderSHA256, "230D8358DC8E8890B4C58DEEB62912EE2F20357AE92A5CC861B98E68FE31ACB5"), sdkhmac.ErrRequest},
		"an empty hash":          {set(sdkhmac.HeaderSHA256, ""), sdkhmac.ErrRequest},
		"the host in a header": {func(r *http.Request) {
			r.Host = "elsewhere.example"
			r.Header.Set("Host", "kms.example")
		}, sdkhmac.ErrSignature},
		"a doubled slash":        {target("/v1//p/secrets?b=2&a=1"), sdkhmac.ErrSignature},
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
		"another SDK's":     {strings.Replace(good, "HMAC-SHA256", "SM2-SM3", 1), sdkhmac.ErrAlgorithm},
		"lower case":        {strings.Replace(good, "SDK", "sdk", 1), sdkhmac.ErrAlgorithm},
		"algorithm alone":   {"SDK-HMAC-SHA256", sdkhmac.ErrMalformed},
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

func TestParseDerived(t *testing.T) {
	t.Parallel()
	good := "V11-HMAC-SHA256 Credential=AK/20260102/region-1/csms, SignedHeaders=host;x-sdk-date, Signature=" + strings.Repeat("0a", 32)
	for name, c := range map[string]struct {
		old, changed string
		want         error
	}{
		"good":             {"", "", nil},
		"the plain word":   {"Credential=AK/20260102/region-1/csms", "Access=AK", sdkhmac.ErrMalformed},
		"the plain form":   {"V11", "SDK", sdkhmac.ErrMalformed},
		"no scope":         {"/20260102/region-1/csms", "", sdkhmac.ErrMalformed},
		"an empty scope":   {"/20260102/region-1/csms", "/", sdkhmac.ErrMalformed},
		"no service":       {"/csms", "", sdkhmac.ErrMalformed},
		"empty service":    {"/csms", "/", sdkhmac.ErrMalformed},
		"empty region":     {"region-1", "", sdkhmac.ErrMalformed},
		"a part more":      {"/csms", "/csms/sdk_request", sdkhmac.ErrMalformed},
		"no key":           {"AK", "", sdkhmac.ErrMalformed},
		"a short day":      {"20260102", "2026012", sdkhmac.ErrMalformed},
		"a signed day":     {"20260102", "+2026010", sdkhmac.ErrMalformed},
		"a space":          {"region-1", "region 1", sdkhmac.ErrMalformed},
		"a long region":    {"region-1", strings.Repeat("r", 129), sdkhmac.ErrMalformed},
		"headers twice":    {"Signature=", "SignedHeaders=x-sdk-date, Signature=", sdkhmac.ErrMalformed},
		"credential twice": {"Credential=", "Credential=AK/20260102/region-1/csms, Credential=", sdkhmac.ErrMalformed},
	} {
		h := strings.Replace(good, c.old, c.changed, 1)
		a, err := sdkhmac.Parse(h)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if err == nil && (a.Access != "AK" || a.Scope != "20260102/region-1/csms" || a.String() != h) {
			t.Errorf("%s: read as %s", name, a)
		}
	}
}

// TestDerivedScope: a derived key is good for its own day, region, service
// and key id.
func TestDerivedScope(t *testing.T) {
	t.Parallel()
	const scope = "20260102/region-1/csms"
	for name, c := range map[string]struct {
		scope string
		edit  func(*sdkhmac.Authorization)
		want  error
	}{
		"untouched":       {scope, func(*sdkhmac.Authorization) {}, nil},
		"another region":  {scope, func(a *sdkhmac.Authorization) { a.Scope = "20260102/region-2/csms" }, sdkhmac.ErrSignature},
		"another service": {scope, func(a *sdkhmac.Authorization) { a.Scope = "20260102/region-1/kms" }, sdkhmac.ErrSignature},
		"another key":     {scope, func(a *sdkhmac.Authorization) { a.Access += "X" }, sdkhmac.ErrSignature},
		"the plain form":  {scope, func(a *sdkhmac.Authorization) { a.Scope = "" }, sdkhmac.ErrSignature},
		"for yesterday":   {"20260101/region-1/csms", func(*sdkhmac.Authorization) {}, sdkhmac.ErrDate},
	} {
		r := signed(t, "/", "", nil)
		naiveSign(t, r, nil, []string{"x-sdk-date"}, testKey, testSecret, c.scope)
		a, err := sdkhmac.Parse(r.Header.Get("Authorization"))
		if err != nil {
			t.Fatal(err)
		}
		c.edit(&a)
		if err := sdkhmac.Verify(r, nil, a, secret.TextValue(testSecret), testNow); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
