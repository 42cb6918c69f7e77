package attack

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// TestNobodyLocksOutTheHonest: whoever guesses at a key from behind the same
// address locks out no holder of a strong secret, at no kind of credential.
func TestNobodyLocksOutTheHonest(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	for range 30 {
		x.send(t, client, call{method: "GET", path: "/secrets", key: appKey, sk: "guess"})
		x.logIn(t, client, "guess")
		x.password(t, client, "guess")
	}
	for _, claim := range []bool{false, true} {
		c := call{method: "POST", path: "/secrets", body: secretBody(fmt.Sprint("n", claim), "v"), claim: claim}
		if code, body := x.send(t, client, c); code != http.StatusOK {
			t.Errorf("a signature: %d %s", code, body)
		}
		x.send(t, client, call{method: "GET", path: "/secrets", key: appKey, sk: "guess"})
	}
	if code, body := x.logIn(t, client, appSecret+"ab"); code != http.StatusOK {
		t.Errorf("a login: %d %s", code, body)
	}
	if code, body := x.password(t, client, appSecret+"ab"); code != http.StatusCreated {
		t.Errorf("a password: %d %s", code, body)
	}
	if code, body := do(t, client, x.azure(t, "GET", "/secrets", appToken, http.NoBody)); code != http.StatusOK {
		t.Errorf("a token: %d %s", code, body)
	}
}

// logIn is a login by Azure's SDKs.
func (x *target) logIn(t *testing.T, from *http.Client, password string) (int, string) {
	t.Helper()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {password}, "scope": {"https://vault.localhost/.default"}}
	r := x.login(t, "POST", "/adfs/oauth2/v2.0/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return do(t, from, r)
}

// login is a request to the login's host.
func (x *target) login(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r := x.azure(t, method, path, "", body)
	r.Host = strings.Replace(r.URL.Host, vaultHost, "login.vault.localhost", 1)
	return r
}

// password is a login to IAM.
func (x *target) password(t *testing.T, from *http.Client, password string) (int, string) {
	t.Helper()
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"app","password":%q}}}}}`, password)
	r := x.request(t, call{method: "POST", path: "/v3/auth/tokens", body: body, edit: func(r *http.Request) { r.Header.Del("Authorization") }})
	return do(t, from, r)
}

// TestWeakSecretsStayLocked: five guesses are all that anybody has at a secret
// that can be guessed; and many addresses have hardly more.
func TestWeakSecretsStayLocked(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	const locked = "AK access failed to reach the limit"
	try := func(address, sk string) string {
		_, body := x.send(t, x.from(t, address), call{method: "GET", path: "/secrets", key: weakKey, sk: sk})
		return body
	}
	const home = "127.0.0.9"
	if body := try(home, weakSK); !strings.Contains(body, "secrets") {
		t.Errorf("its holder: %s", body)
	}
	open := 0
	for i := range 20 {
		for j := range 6 {
			if !strings.Contains(try(fmt.Sprintf("127.0.1.%d", i+1), fmt.Sprint("guess", j)), locked) {
				open++
			}
		}
	}
	if open > 50 {
		t.Errorf("%d guesses of 120 were looked at, want at most 50", open)
	}
	if body := try("127.0.1.1", weakSK); !strings.Contains(body, locked) {
		t.Errorf("the right one, after so many wrong ones: %s", body)
	}
	if body := try(home, weakSK); strings.Contains(body, locked) {
		t.Errorf("its holder, who has proved it where he is: %s", body)
	}
}

// TestWrongTokensAreSlowed: 1,500 wrong tokens from one address are not all
// looked at, and the right ones there are.
func TestWrongTokensAreSlowed(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	slowed := 0
	for range 1500 {
		if code, _ := do(t, client, x.azure(t, "GET", "/secrets", uuid.NewString(), http.NoBody)); code == http.StatusTooManyRequests {
			slowed++
		}
	}
	if slowed < 1300 {
		t.Errorf("%d of 1500 were slowed", slowed)
	}
	if code, body := do(t, client, x.azure(t, "GET", "/secrets", appToken, http.NoBody)); code != http.StatusOK {
		t.Errorf("a right token: %d %s", code, body)
	}
}

// TestScopes: a token for one project leads to no token, and no temporary key,
// for another.
func TestScopes(t *testing.T) {
	t.Parallel()
	x := start(t, extra{})
	client := x.from(t, hostile)
	issue := func(identity, scope string) (int, string) {
		r := x.request(t, call{method: "POST", path: "/v3/auth/tokens", body: `{"auth":{"identity":` + identity + scope + `}}`, edit: func(r *http.Request) { r.Header.Del("Authorization") }})
		resp, err := client.Do(r)
		must(t, err)
		_ = resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("X-Subject-Token")
	}
	of := func(p string) string { return `,"scope":{"project":{"id":"` + p + `"}}` }
	_, token := issue(fmt.Sprintf(`{"methods":["password"],"password":{"user":{"name":"app","password":%q}}}`, appSecret+"ab"), of(project))
	if token == "" {
		t.Fatal("no token")
	}
	again := `{"methods":["token"],"token":{"id":"` + token + `"}}`
	if code, got := issue(again, of(second)); code == http.StatusCreated || got != "" {
		t.Errorf("a token for another project: %d", code)
	}
	if code, got := issue(again, ""); code == http.StatusCreated && got != "" {
		r := x.request(t, call{method: "GET", path: "/v1/" + second + "/secrets", edit: func(r *http.Request) {
			r.Header.Del("Authorization")
			r.Header.Set("X-Auth-Token", got)
		}})
		if code, _ := do(t, client, r); code != http.StatusForbidden {
			t.Errorf("another project by a token without scope: %d", code)
		}
	}
}
