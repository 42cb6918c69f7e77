package sdkhmac_test

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/sdkhmac"
	"github.com/vaultferry/vaultferry/secret"
)

// naiveCanonical is the canonical request as the vendor's page has it, step by
// step, with nothing of the package.
func naiveCanonical(r *http.Request, body []byte, signed []string) (string, error) {
	segments := strings.Split(r.URL.Path, "/")
	for i, s := range segments {
		segments[i] = naiveEscape(s)
	}
	path := strings.TrimSuffix(strings.Join(segments, "/"), "/") + "/"
	query, err := url.ParseQuery(strings.ReplaceAll(r.URL.RawQuery, ";", "%3B"))
	if err != nil {
		return "", err
	}
	var pairs, headers []string
	var keys []string
	for k := range query {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		slices.Sort(query[k])
		for _, v := range query[k] {
			pairs = append(pairs, naiveEscape(k)+"="+naiveEscape(v))
		}
	}
	for _, name := range signed {
		values := r.Header.Values(name)
		if name == "host" {
			values = []string{r.Host}
		}
		if len(values) != 1 {
			return "", fmt.Errorf("%d values of %s", len(values), name)
		}
		headers = append(headers, name+":"+strings.TrimSpace(values[0])+"\n")
	}
	payload := naiveHash(string(body))
	if r.Header.Get("X-Sdk-Content-Sha256") == "UNSIGNED-PAYLOAD" {
		payload = "UNSIGNED-PAYLOAD"
	}
	return strings.Join([]string{
		r.Method, path, strings.Join(pairs, "&"), strings.Join(headers, ""), strings.Join(signed, ";"), payload,
	}, "\n"), nil
}

func naiveEscape(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

func naiveHash(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }

// naiveSign sets the Authorization of r; with a scope, in the derived form.
func naiveSign(t testing.TB, r *http.Request, body []byte, signed []string, ak, sk, scope string) {
	t.Helper()
	canonical, err := naiveCanonical(r, body, signed)
	if err != nil {
		t.Fatal(err)
	}
	text := []string{"SDK-HMAC-SHA256", r.Header.Get("X-Sdk-Date"), naiveHash(canonical)}
	key, who := []byte(sk), "Access="+ak
	if scope != "" {
		derived, err := hkdf.Key(sha256.New, key, []byte(ak), scope, 32)
		if err != nil {
			t.Fatal(err)
		}
		key, who = []byte(hex.EncodeToString(derived)), "Credential="+ak+"/"+scope
		text = []string{"V11-HMAC-SHA256", text[1], scope, text[2]}
	}
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(strings.Join(text, "\n")))
	r.Header.Set("Authorization", fmt.Sprintf("%s %s, SignedHeaders=%s, Signature=%x", text[0], who, strings.Join(signed, ";"), mac.Sum(nil)))
}

// TestNaiveAgreesWithTheVectors: the judge of the other tests is itself judged.
func TestNaiveAgreesWithTheVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		a, err := sdkhmac.Parse(v.Authorization)
		if err != nil {
			continue
		}
		r := v.request(t, true)
		if got, err := naiveCanonical(r, []byte(v.Body), a.SignedHeaders); err != nil || got != v.Canonical {
			t.Errorf("%s: canonical request (%v):\n%s\nwant\n%s", v.Name, err, got, v.Canonical)
		}
		naiveSign(t, r, []byte(v.Body), a.SignedHeaders, v.AccessKey, v.SecretKey, a.Scope)
		if got := r.Header.Get("Authorization"); got != v.Authorization {
			t.Errorf("%s: got  %s\nwant %s", v.Name, got, v.Authorization)
		}
	}
}

// judge holds Verify against the naive form: a request passes if, and only if,
// it says what was signed.
type judge struct {
	body      string
	sk        string
	now       time.Time
	auth      sdkhmac.Authorization
	canonical string
}

func newJudge(t testing.TB, r *http.Request, body, sk string, now time.Time) judge {
	t.Helper()
	a, err := sdkhmac.Parse(r.Header.Get("Authorization"))
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := naiveCanonical(r, []byte(body), a.SignedHeaders)
	if err != nil {
		t.Fatal(err)
	}
	if err := sdkhmac.Verify(r, []byte(body), a, secret.TextValue(sk), now); err != nil {
		t.Fatalf("the request as it was signed: %v", err)
	}
	return judge{body: body, sk: sk, now: now, auth: a, canonical: canonical}
}

func (j judge) check(t testing.TB, what string, r *http.Request, body string) (refused bool) {
	t.Helper()
	got := sdkhmac.Verify(r, []byte(body), j.auth, secret.TextValue(j.sk), j.now)
	canonical, err := naiveCanonical(r, []byte(body), j.auth.SignedHeaders)
	if same := err == nil && canonical == j.canonical; same != (got == nil) {
		t.Errorf("%s: %v, but it says what was signed: %v", what, got, same)
	}
	return got != nil
}
