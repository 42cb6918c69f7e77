package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/issuertest"
)

// badToken is one that an issuer, or somebody in its name, might have made.
type badToken struct {
	name  string
	token string
}

// badTokens are those that neither a request nor the login takes, for the
// audience.
func badTokens(t *testing.T, x *identities, audience string) []badToken {
	t.Helper()
	now, key := time.Now(), x.of.Key
	claims := x.of.Claims(now, workload, audience)
	with := func(c issuertest.Claims) string { return key.Sign(t, claims.With(c)) }
	stranger := issuertest.NewKey(t)
	impostor := stranger
	impostor.ID = key.ID
	good := with(nil)
	parts := strings.Split(good, ".")
	public, err := x509.MarshalPKIXPublicKey(key.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	hmacHeader := map[string]any{"alg": "HS256", "kid": key.ID, "typ": "JWT"}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	mac.Write([]byte(strings.TrimSuffix(issuertest.Unsigned(t, hmacHeader, claims, nil), ".")))
	return []badToken{
		{"no token", "opaque"},
		{"only two parts", parts[0] + "." + parts[1]},
		{"no signature", parts[0] + "." + parts[1] + "."},
		{"a token of 40 KiB", with(issuertest.Claims{"x": strings.Repeat("x", 30<<10)})},
		{"alg none", issuertest.Unsigned(t, map[string]any{"alg": "none"}, claims, []byte("x"))},
		{"HMAC by the public key", issuertest.Unsigned(t, hmacHeader, claims, mac.Sum(nil))},
		{"another algorithm than the issuer's", issuertest.Unsigned(t, map[string]any{"alg": "PS512", "kid": key.ID}, claims, []byte("x"))},
		{"a key that nobody knows", stranger.Sign(t, claims)},
		{"a key of the right id and another kind", impostor.Sign(t, claims)},
		{"a key in its own header", issuertest.Unsigned(t, map[string]any{"alg": "ES256", "kid": stranger.ID, "jwk": stranger.Public()}, claims, []byte("x"))},
		{"keys at a place of its own", issuertest.Unsigned(t, map[string]any{"alg": "RS256", "kid": "x", "jku": "https://evil.example/keys"}, claims, []byte("x"))},
		{"a signature of other claims", parts[0] + "." + strings.Split(with(issuertest.Claims{"sub": "root"}), ".")[1] + "." + parts[2]},
		{"an extension that must be understood", issuertest.Unsigned(t, map[string]any{"alg": "RS256", "kid": key.ID, "crit": []string{"x"}, "x": 1}, claims, []byte("x"))},
		{"a logout token", issuertest.Unsigned(t, map[string]any{"alg": "RS256", "kid": key.ID, "typ": "logout+jwt"}, claims, []byte("x"))},
		{"an issuer with another path", with(issuertest.Claims{"iss": x.of.URL + "/other"})},
		{"an issuer with a slash", with(issuertest.Claims{"iss": x.of.URL + "/"})},
		{"Entra's issuer, which is not configured", with(issuertest.Claims{"iss": "https://sts.windows.net/11111111-2222-3333-4444-555555555555/", "ver": "1.0"})},
		{"no issuer", with(issuertest.Claims{"iss": nil})},
		{"an audience with a slash", with(issuertest.Claims{"aud": audience + "/"})},
		{"spn: before the audience", with(issuertest.Claims{"aud": "spn:" + audience})},
		{"the real Key Vault's audience", with(issuertest.Claims{"aud": "https://vault.azure.net"})},
		{"no audience", with(issuertest.Claims{"aud": nil})},
		{"expired by a second", with(issuertest.Claims{"exp": now.Unix() - 1})},
		{"not valid yet", with(issuertest.Claims{"nbf": now.Unix() + 120})},
		{"issued in the future", with(issuertest.Claims{"iat": now.Unix() + 120, "nbf": nil})},
		{"without an end", with(issuertest.Claims{"exp": nil})},
		{"living too long", with(issuertest.Claims{"exp": now.Add(48 * time.Hour).Unix()})},
		{"a subject that nobody has", with(issuertest.Claims{"sub": "system:serviceaccount:payments:other"})},
		{"a foreign cluster's", stranger.Sign(t, claims.With(issuertest.Claims{"iss": "https://kubernetes.default.svc.cluster.local"}))},
	}
}

// TestRefusedTokens: what each dialect, and the login, says of a token that it
// does not take, and what the audit says. They tell nothing of callers, of other
// issuers' names or of what is there.
func TestRefusedTokens(t *testing.T) {
	t.Parallel()
	x := newIdentities(t)
	var rows []refusedRow
	azure := func(name string, change func(*http.Request)) {
		rows = append(rows, refusedRow{name: "azure: " + name, ask: func(t *testing.T) *http.Request {
			return x.request(t, http.MethodGet, x.VaultURL("main")+"/secrets/db?api-version=7.4", "", change)
		}})
	}
	huawei := func(name string, change func(*http.Request)) {
		rows = append(rows, refusedRow{name: "huawei: " + name, ask: func(t *testing.T) *http.Request {
			return x.request(t, http.MethodGet, x.Endpoint()+"/v1/"+gatewaytest.Project("main")+"/secrets/db", "", change)
		}})
	}
	bearer := append(badTokens(t, x, ownAudience),
		badToken{"a token for the exchange", x.of.Token(t, time.Now(), workload, tokenExchange)},
		badToken{"a token of two callers", x.of.Key.Sign(t, x.of.Claims(time.Now(), workload, ownAudience).With(issuertest.Claims{"twin": "1"}))},
	)
	for _, bad := range bearer {
		azure(bad.name, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+bad.token) })
		huawei(bad.name, func(r *http.Request) { r.Header.Set("X-Auth-Token", bad.token) })
	}
	good := x.of.Token(t, time.Now(), workload, ownAudience)
	azure("two Authorization headers", func(r *http.Request) { r.Header["Authorization"] = []string{"Bearer " + good, "Bearer " + good} })
	azure("a megabyte of a token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+strings.Repeat("x", 1<<20)) })
	rows[len(rows)-1].client = x.older(t)
	azure("a scheme that is none", func(r *http.Request) { r.Header.Set("Authorization", "DPoP "+good) })
	huawei("two X-Auth-Token headers", func(r *http.Request) { r.Header["X-Auth-Token"] = []string{good, good} })
	huawei("an issuer's token as Authorization", func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+good)
		r.Header.Set("X-Sdk-Date", "20260101T000000Z")
	})
	rows = append(rows, x.iamRows(t)...)
	checkRefused(t, x.Gateway, "tokens.txt", rows, x.hidden(good), strings.NewReplacer(x.of.URL, "ISSUER"))
	if len(rows) < 60 {
		t.Errorf("only %d requests", len(rows))
	}
}

// iamRows are tokens that IAM takes nothing for, though their client is its user:
// no secret proved them. The one that a secret proved opens it.
func (x *identities) iamRows(t *testing.T) (rows []refusedRow) {
	t.Helper()
	now, at := time.Now(), x.LoginURL()+endpoint
	proof := func(assertion string) url.Values {
		return url.Values{"client_assertion": {assertion}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
	}
	own := issuertest.RSAKey(1).Sign(t, issuertest.Claims{
		"iss": "twofold", "sub": "twofold", "aud": at, "jti": uuid.NewString(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	tokenBy := func(form url.Values) string {
		form.Set("grant_type", "client_credentials")
		form.Set("client_id", "twofold")
		form.Set("scope", ownAudience+"/.default")
		var answer struct {
			Token string `json:"access_token"`
		}
		answered(t, x.Client, x.request(t, http.MethodPost, at, form.Encode(), func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }), &answer)
		return answer.Token
	}
	ask := func(path, token string) *http.Request {
		return x.request(t, http.MethodPost, x.Endpoint()+path, `{"auth":{"identity":{`+byToken(token)+`}}}`, func(r *http.Request) { r.Header.Set("Content-Type", "application/json") })
	}
	for _, each := range []struct{ name, token string }{
		{"an issuer's token", tokenBy(proof(x.of.Token(t, now, workload, tokenExchange)))}, {"the client's key", tokenBy(proof(own))},
	} {
		rows = append(rows,
			refusedRow{name: "iam: a login token by " + each.name + ", for a token", ask: func(*testing.T) *http.Request { return ask(iamTokens, each.token) }},
			refusedRow{name: "iam: a login token by " + each.name + ", for a temporary key", ask: func(*testing.T) *http.Request { return ask(iamKeys, each.token) }})
	}
	bySecret := tokenBy(url.Values{"client_secret": {text("twofold")}})
	answered(t, x.Client, ask(iamTokens, bySecret), nil)
	answered(t, x.Client, ask(iamKeys, bySecret), nil)
	return rows
}

// hidden are what no answer may hold: credentials, and words of the configuration
// that stand in no request.
func (x *identities) hidden(good string) []string {
	return []string{good, x.Token, x.ClientSecret, "twin", `"both"`, "corp", "payments:app"}
}

// TestRefusedAssertions is a gateway of its own, for a hundred failures lock an
// address.
func TestRefusedAssertions(t *testing.T) {
	t.Parallel()
	x := newIdentities(t)
	rows := x.refusedAssertions(t)
	good := x.of.Token(t, time.Now(), workload, tokenExchange)
	checkRefused(t, x.Gateway, "assertions.txt", rows, x.hidden(good), strings.NewReplacer(x.of.URL, "ISSUER", x.LoginURL(), "LOGIN"))
	if len(rows) < 45 {
		t.Errorf("only %d requests", len(rows))
	}
}

// older speaks HTTP/1.1: in HTTP/2 clients know beforehand what is too large.
func (x *identities) older(t *testing.T) *http.Client {
	t.Helper()
	transport := x.Client.Transport.(*http.Transport).Clone() //nolint:forcetypeassert // it is
	transport.ForceAttemptHTTP2, transport.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
	transport.TLSClientConfig.NextProtos = nil
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (x *identities) request(t *testing.T, method, target, body string, change func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		r.Body = http.NoBody
		r.ContentLength = 0
	}
	change(r)
	return r
}

// refusedAssertions are token requests.
func (x *identities) refusedAssertions(t *testing.T) []refusedRow {
	t.Helper()
	now, endpoint := time.Now(), x.LoginURL()+"/adfs/oauth2/v2.0/token"
	var rows []refusedRow
	login := func(name, client, assertion string, more ...string) {
		form := url.Values{
			"grant_type": {"client_credentials"}, "client_id": {client}, "client_assertion": {assertion}, "scope": {ownAudience + "/.default"},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		for i := 0; i < len(more); i += 2 {
			if form.Set(more[i], more[i+1]); more[i+1] == "" {
				form.Del(more[i])
			}
		}
		rows = append(rows, refusedRow{name: "login: " + name, ask: func(t *testing.T) *http.Request {
			return x.request(t, http.MethodPost, endpoint, form.Encode(), func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") })
		}})
	}
	for _, bad := range badTokens(t, x, tokenExchange) {
		if len(bad.token) < 32<<10 { // the form has its own bound
			login(bad.name, "app", bad.token)
		}
	}
	good := x.of.Token(t, now, workload, tokenExchange)
	login("a form of 40 KiB", "app", strings.Repeat("x", 40<<10))
	login("a token for requests", "app", x.of.Token(t, now, workload, ownAudience))
	login("another client's workload", "signer", good)
	login("an unknown client", "nobody", good)
	login("a client of another caller's name", "both", good)
	login("beside a secret", "app", good, "client_secret", "x")
	login("of no type", "app", good, "client_assertion_type", "")
	login("of SAML's type", "app", good, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
	login("a secret of a client without", "app", "", "client_secret", "x", "client_assertion", "", "client_assertion_type", "")
	login("another's resource", "app", good, "scope", "https://vault.azure.net/.default openid x/y")

	own := issuertest.RSAKey(1)
	claims := issuertest.Claims{"iss": "signer", "sub": "signer", "aud": endpoint, "jti": uuid.NewString(), "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix()}
	self := func(name string, key issuertest.Key, c issuertest.Claims) {
		login("private key, "+name, "signer", key.Sign(t, claims.With(c)))
	}
	self("another's key", issuertest.NewKey(t), nil)
	self("the issuer's key", issuertest.RSAKey(0), nil)
	self("living for 11 minutes", own, issuertest.Claims{"exp": now.Add(11 * time.Minute).Unix()})
	self("living for 11 minutes, by nbf", own, issuertest.Claims{"nbf": now.Add(-2 * time.Minute).Unix()})
	self("without an end", own, issuertest.Claims{"exp": nil})
	self("expired by a second", own, issuertest.Claims{"exp": now.Unix() - 1})
	self("not valid yet", own, issuertest.Claims{"nbf": now.Add(2 * time.Minute).Unix()})
	self("for another login", own, issuertest.Claims{"aud": "https://login.microsoftonline.com/adfs/oauth2/v2.0/token"})
	self("for the exchange", own, issuertest.Claims{"aud": tokenExchange})
	self("of another client", own, issuertest.Claims{"iss": "app", "sub": "app"})
	self("for another subject", own, issuertest.Claims{"sub": "app"})
	login("private key of an unknown client", "nobody", own.Sign(t, claims.With(issuertest.Claims{"iss": "nobody", "sub": "nobody"})))
	login("private key of a client without", "app", own.Sign(t, claims.With(issuertest.Claims{"iss": "app", "sub": "app"})))
	return rows
}
