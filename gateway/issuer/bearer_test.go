package issuer_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/internal/issuertest"
)

// TestBearer: a good token is its caller's, with the user for the audit and
// until its end, and again.
func TestBearer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.of.Token(t, w.now(), "app", audience)
	for range 2 {
		g := w.opens(t, token, "app")
		if g.Caller.Credential != "issuer-token:corp/app" || g.Audience != "" || g.Client != "" || g.Expires.Before(w.now()) {
			t.Errorf("%+v", g)
		}
	}
	w.opens(t, w.of.Key.Sign(t, w.claims().With(issuertest.Claims{"aud": []string{"other", audience}})), "app")
	w.opens(t, w.of.Key.Sign(t, w.claims().With(issuertest.Claims{"iat": nil, "nbf": nil})), "app")
}

// TestRefused: what is wrong with a token, and what is told of it.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *issuer.Options) {
		o.Bindings = append(o.Bindings, issuer.Binding{Issuer: "corp", Caller: "two", Claims: []issuer.Claim{{Name: "twin", Values: []string{"true"}}}})
	})
	now, key := w.now(), w.of.Key
	other := issuertest.NewKey(t)
	impostor := other
	impostor.ID = key.ID
	der, err := x509.MarshalPKIXPublicKey(key.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hs := func(secret []byte) string {
		unsigned := strings.TrimSuffix(issuertest.Unsigned(t, map[string]any{"alg": "HS256", "kid": key.ID}, w.claims(), nil), ".")
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(unsigned))
		return issuertest.Unsigned(t, map[string]any{"alg": "HS256", "kid": key.ID}, w.claims(), mac.Sum(nil))
	}
	with := func(c issuertest.Claims) string { return key.Sign(t, w.claims().With(c)) }
	header := func(h map[string]any) string { return resign(t, key, h, w.claims()) }
	good := with(nil)
	for name, c := range map[string]struct {
		token string
		fault access.TokenFault
	}{
		"nothing":                     {"", access.UnknownToken},
		"no token":                    {"opaque", access.UnknownToken},
		"two parts":                   {good[:strings.LastIndex(good, ".")], access.UnknownToken},
		"five parts":                  {good + "..", access.UnknownToken},
		"no signature":                {good[:strings.LastIndex(good, ".")+1], access.UnknownToken},
		"line end inside":             {good[:20] + "\n" + good[20:], access.UnknownToken},
		"padding":                     {good + "==", access.UnknownToken},
		"a megabyte":                  {with(issuertest.Claims{"x": strings.Repeat("x", 1<<20)}), access.UnknownToken},
		"JSON form":                   {`{"payload":"e30","signatures":[]}`, access.UnknownToken},
		"alg none":                    {issuertest.Unsigned(t, map[string]any{"alg": "none"}, w.claims(), []byte("x")), access.BadSignature},
		"alg None, with a key":        {issuertest.Unsigned(t, map[string]any{"alg": "None", "kid": key.ID}, w.claims(), []byte("x")), access.BadSignature},
		"HMAC by the public PEM":      {hs(public), access.BadSignature},
		"HMAC by the public DER":      {hs(der), access.BadSignature},
		"HMAC by nothing":             {hs(nil), access.BadSignature},
		"alg not of the issuer":       {header(map[string]any{"alg": "PS256", "kid": key.ID}), access.BadSignature},
		"ES256 of an RSA key's id":    {impostor.Sign(t, w.claims()), access.BadSignature},
		"unknown kid":                 {other.Sign(t, w.claims()), access.BadSignature},
		"no kid, another's key":       {issuertest.Key{Algorithm: other.Algorithm, Private: other.Private}.Sign(t, w.claims()), access.BadSignature},
		"crit":                        {header(map[string]any{"alg": "RS256", "kid": key.ID, "crit": []string{"exp"}, "exp": 1}), access.UnknownToken},
		"a detached payload":          {header(map[string]any{"alg": "RS256", "kid": key.ID, "b64": false}), access.UnknownToken},
		"a logout token":              {header(map[string]any{"alg": "RS256", "kid": key.ID, "typ": "logout+jwt"}), access.UnknownToken},
		"alg is a list":               {header(map[string]any{"alg": []string{"RS256"}, "kid": key.ID}), access.UnknownToken},
		"changed claims":              {swapClaims(t, good, w.claims().With(issuertest.Claims{"sub": "root"})), access.BadSignature},
		"issuer with another path":    {with(issuertest.Claims{"iss": w.of.URL + "/other"}), access.UnknownIssuer},
		"issuer with a slash":         {with(issuertest.Claims{"iss": w.of.URL + "/"}), access.UnknownIssuer},
		"issuer in capitals":          {with(issuertest.Claims{"iss": strings.ToUpper(w.of.URL)}), access.UnknownIssuer},
		"no issuer":                   {with(issuertest.Claims{"iss": nil}), access.UnknownIssuer},
		"issuer is a list":            {with(issuertest.Claims{"iss": []string{w.of.URL}}), access.UnknownIssuer},
		"audience with a slash":       {with(issuertest.Claims{"aud": audience + "/"}), access.WrongAudience},
		"spn: before the audience":    {with(issuertest.Claims{"aud": "spn:" + audience}), access.WrongAudience},
		"audience in capitals":        {with(issuertest.Claims{"aud": strings.ToUpper(audience)}), access.WrongAudience},
		"the real Key Vault":          {with(issuertest.Claims{"aud": "https://vault.azure.net"}), access.WrongAudience},
		"for the exchange":            {with(issuertest.Claims{"aud": exchange}), access.WrongAudience},
		"no audience":                 {with(issuertest.Claims{"aud": nil}), access.WrongAudience},
		"audience is an object":       {with(issuertest.Claims{"aud": map[string]any{audience: true}}), access.BadSignature},
		"expired by a second":         {with(issuertest.Claims{"exp": now.Unix() - 1}), access.ExpiredToken},
		"no end":                      {with(issuertest.Claims{"exp": nil}), access.EndlessToken},
		"end is text":                 {with(issuertest.Claims{"exp": "tomorrow"}), access.BadSignature},
		"end beyond numbers":          {with(issuertest.Claims{"exp": 1e300}), access.EndlessToken},
		"lives too long":              {with(issuertest.Claims{"exp": now.Add(26 * time.Hour).Unix()}), access.EndlessToken},
		"lives too long, without iat": {with(issuertest.Claims{"exp": now.Add(26 * time.Hour).Unix(), "iat": nil, "nbf": nil}), access.EndlessToken},
		"not yet":                     {with(issuertest.Claims{"nbf": now.Unix() + 90}), access.EarlyToken},
		"issued tomorrow":             {with(issuertest.Claims{"iat": now.Unix() + 90, "nbf": nil}), access.EarlyToken},
		"another subject":             {with(issuertest.Claims{"sub": "app2"}), access.UnboundToken},
		"subject is a list":           {with(issuertest.Claims{"sub": []string{"app"}}), access.BadSignature},
		"of two callers":              {with(issuertest.Claims{"twin": true}), access.AmbiguousToken},
		"without its user":            {with(issuertest.Claims{"sub": nil, "twin": true}), access.UnboundToken},
	} {
		g, err := w.Bearer(c.token)
		e := fault(t, err)
		if e.Fault != c.fault || !reflect.DeepEqual(g, access.Grant{}) {
			t.Errorf("%s: %v, want %v", name, e, (&access.TokenError{Fault: c.fault}).Error())
		}
		if e.Fault == access.BadSignature && e.Header != strings.Split(c.token, ".")[0] {
			t.Errorf("%s: the header is %q", name, e.Header)
		}
	}
}

// resign signs with a header as it is.
func resign(t *testing.T, key issuertest.Key, header map[string]any, c issuertest.Claims) string {
	t.Helper()
	unsigned := strings.TrimSuffix(issuertest.Unsigned(t, header, c, nil), ".")
	sum := sha256.Sum256([]byte(unsigned))
	private, ok := key.Private.(*rsa.PrivateKey)
	if !ok {
		t.Fatal("not an RSA key")
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return issuertest.Unsigned(t, header, c, sig)
}

func swapClaims(t *testing.T, token string, c issuertest.Claims) string {
	t.Helper()
	parts := strings.Split(token, ".")
	parts[1] = strings.Split(issuertest.Unsigned(t, struct{}{}, c, nil), ".")[1]
	return strings.Join(parts, ".")
}

// TestTimes: a token that was proved ends when it says, whichever way the clock
// goes, and leeways are as configured.
func TestTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.of.Token(t, w.now(), "app", audience)
	w.opens(t, token, "app")
	w.turn(5*time.Minute + time.Second)
	if _, err := w.Bearer(token); fault(t, err).Fault != access.ExpiredToken {
		t.Errorf("after its end: %v", err)
	}
	w.turn(-5 * time.Minute)
	w.opens(t, token, "app")
	w.turn(-time.Hour)
	if _, err := w.Bearer(token); fault(t, err).Fault != access.EarlyToken {
		t.Errorf("an hour before: %v", err)
	}
	w.turn(48 * time.Hour)
	w.opens(t, w.of.Token(t, w.now(), "app", audience), "app")

	w.options.Issuers[0].ExpirationLeeway, w.options.Issuers[0].NotBeforeLeeway = 30*time.Second, time.Minute
	w.reload(t)
	w.opens(t, w.of.Key.Sign(t, w.claims().With(issuertest.Claims{"exp": w.now().Unix() - 20})), "app")
	w.opens(t, w.of.Key.Sign(t, w.claims().With(issuertest.Claims{"nbf": w.now().Unix() + 90})), "app")
	if _, err := w.Bearer(w.of.Key.Sign(t, w.claims().With(issuertest.Claims{"exp": w.now().Unix() - 40}))); fault(t, err).Fault != access.ExpiredToken {
		t.Errorf("beyond its leeway: %v", err)
	}
}

// TestReloadForgets: what was proved is bound anew by another configuration.
func TestReloadForgets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *issuer.Options) { o.Sources = issuer.NewSources(nil) })
	token := w.of.Token(t, w.now(), "app", audience)
	w.opens(t, token, "app")
	w.options.Bindings[0].Caller = "other"
	w.reload(t)
	w.opens(t, token, "other")
	w.options.Bindings[0].Subject = "else"
	w.reload(t)
	if _, err := w.Bearer(token); fault(t, err).Fault != access.UnboundToken {
		t.Errorf("%v", err)
	}
	if n := w.of.Fetches(); n != 1 {
		t.Errorf("the keys were fetched %d times for three configurations", n)
	}
}
