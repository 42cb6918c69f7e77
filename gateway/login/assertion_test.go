package login_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/gateway/login"
	"github.com/vaultferry/vaultferry/internal/issuertest"
)

const exchange = "api://AzureADTokenExchange"

// federated is a desk with a client that has no secret: a workload's tokens prove
// it, and a key of its own.
type federated struct {
	*desk
	of      *issuertest.Issuer
	key     issuertest.Key
	options issuer.Options
	ahead   atomic.Int64 // of the issuers' clock, which is as the desk's
}

func (f *federated) turn(by time.Duration) {
	f.ahead.Add(int64(by))
	f.skip.Add(int64(by))
}

func newFederated(t testing.TB, ring *backup.Keyring, of *issuertest.Issuer, change ...func(*issuer.Options, *login.Client)) *federated {
	t.Helper()
	f := &federated{of: of, key: issuertest.RSAKey(1)}
	f.options = issuer.Options{
		Issuers: []issuer.Issuer{{
			Name: "corp", URL: of.URL, CAFile: of.CAFile, AssertionAudiences: []string{exchange}, Algorithms: []string{"RS256"}, MaxLife: time.Hour,
		}},
		Bindings: []issuer.Binding{{Issuer: "corp", Caller: "job", Subject: "job", GroupsClaim: "groups"}},
		Groups:   []issuer.Group{{Name: "payments", Issuer: "corp", Value: "g1"}},
		Now:      func() time.Time { return time.Unix(1_700_000_000, f.ahead.Load()) },
	}
	client := login.Client{ID: "job", Caller: "job", Keys: []issuer.ClientKey{clientKey(t, f.key)}}
	for _, f2 := range change {
		f2(&f.options, &client)
	}
	f.desk = newDesk(t, ring, func(o *login.Options) {
		set, err := issuer.New(f.options)
		if err != nil {
			t.Fatal(err)
		}
		o.Issuers, o.Clients = set, append(o.Clients, client)
	})
	return f
}

func clientKey(t testing.TB, key issuertest.Key) issuer.ClientKey {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Private.Public())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := issuer.ReadClientKey(file)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// ask sends an assertion and returns the token that comes back, or the refusal.
func (f *federated) ask(t testing.TB, assertion string, change ...func(*http.Request)) (string, refused) {
	t.Helper()
	w := f.post(t, form("client_id", "job", "client_secret", "", "client_assertion", assertion, "client_assertion_type", jwtBearer), change...)
	if w.Code != http.StatusOK {
		return "", errorOf(t, w)
	}
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || answer.Token == "" {
		t.Fatal("no token")
	}
	return answer.Token, refused{}
}

func (f *federated) workload(t testing.TB, change issuertest.Claims) string {
	t.Helper()
	return f.of.Key.Sign(t, f.of.Claims(f.now(), "job", exchange).With(change))
}

func (f *federated) own(t testing.TB, change issuertest.Claims) string {
	t.Helper()
	now := f.now()
	return f.key.Sign(t, issuertest.Claims{
		"iss": "job", "sub": "job", "aud": base + "/adfs/oauth2/v2.0/token", "nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(), "jti": "1",
	}.With(change))
}

// TestAssertionTokens: the token that comes of an assertion names its caller, who
// used it, and the groups that count.
func TestAssertionTokens(t *testing.T) {
	t.Parallel()
	f := newFederated(t, backup.NewKeyring(), issuertest.New(t), func(_ *issuer.Options, c *login.Client) { c.Secret = sha256.Sum256([]byte(password)) })
	for range 2 { // the same one again
		text, no := f.ask(t, f.workload(t, issuertest.Claims{"groups": []string{"g0", "g1"}}))
		g, err := f.Verify(text)
		if err != nil || g.Caller.ID != "job" || g.Client != "" || !slices.Equal(g.Caller.Groups, []string{"payments"}) || g.Caller.Credential != "login-token:job/corp/job" {
			t.Fatalf("%+v, %v, %+v", g, err, no)
		}
	}
	text, no := f.ask(t, f.own(t, nil))
	if g, err := f.Verify(text); err != nil || g.Caller.ID != "job" || g.Client != "" || g.Caller.Groups != nil || g.Caller.Credential != "login-token:job" {
		t.Fatalf("%+v, %v, %+v", g, err, no)
	}
	w := f.post(t, form("client_id", "job"))
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if g, err := f.Verify(answer.Token); err != nil || g.Client != "job" {
		t.Fatalf("by the secret: %+v, %v", g, err)
	}
}

// TestAssertionTokensEnd: what an assertion brought about ends with what proved
// it, at every gateway with the keyring, and with nothing else.
func TestAssertionTokensEnd(t *testing.T) {
	t.Parallel()
	ring, of := backup.NewKeyring(), issuertest.New(t)
	f := newFederated(t, ring, of)
	byWorkload, _ := f.ask(t, f.workload(t, issuertest.Claims{"groups": []string{"g1"}}))
	byKey, _ := f.ask(t, f.own(t, nil))
	for name, c := range map[string]struct {
		change        func(*issuer.Options, *login.Client)
		workload, key bool
	}{
		"as it was":        {func(*issuer.Options, *login.Client) {}, true, true},
		"another subject":  {func(o *issuer.Options, _ *login.Client) { o.Bindings[0].Subject = "other" }, false, true},
		"another audience": {func(o *issuer.Options, _ *login.Client) { o.Issuers[0].AssertionAudiences = []string{"other"} }, false, true},
		"no binding":       {func(o *issuer.Options, _ *login.Client) { o.Bindings = nil }, false, true},
		"one binding more": {func(o *issuer.Options, _ *login.Client) {
			o.Bindings = append(o.Bindings, issuer.Binding{Issuer: "corp", Caller: "job", Subject: "other"})
		}, true, true},
		"another key": {func(_ *issuer.Options, c *login.Client) {
			c.Keys = []issuer.ClientKey{clientKey(t, issuertest.RSAKey(0))}
		}, true, false},
		"a key more":         {func(_ *issuer.Options, c *login.Client) { c.Keys = append(c.Keys, clientKey(t, issuertest.RSAKey(0))) }, true, true},
		"no keys":            {func(_ *issuer.Options, c *login.Client) { c.Keys = nil }, true, false},
		"another caller's":   {func(_ *issuer.Options, c *login.Client) { c.Caller = "else" }, false, false},
		"another client's":   {func(_ *issuer.Options, c *login.Client) { c.ID = "else" }, false, false},
		"the group has gone": {func(o *issuer.Options, _ *login.Client) { o.Groups = nil }, true, true},
	} {
		later := newFederated(t, ring, of, c.change)
		for _, token := range []struct {
			text string
			want bool
		}{{byWorkload, c.workload}, {byKey, c.key}} {
			g, err := later.Verify(token.text)
			if (err == nil) != token.want {
				t.Errorf("%s: %v", name, err)
			}
			if name == "the group has gone" && len(g.Caller.Groups) > 0 {
				t.Errorf("%s: %v", name, g.Caller.Groups)
			}
		}
	}
}

// TestOwnAssertions: whom an assertion that the client signed may be for.
func TestOwnAssertions(t *testing.T) {
	t.Parallel()
	f := newFederated(t, backup.NewKeyring(), issuertest.New(t))
	for audience, number := range map[string]int{
		base + "/adfs/oauth2/v2.0/token":              0,
		base + "/adfs/oauth2/token":                   0,
		base + "/adfs":                                0,
		"https://" + host + "/adfs/oauth2/v2.0/token": 0, // at another port, behind a proxy
		"https://" + host + "/adfs/":                  700023,
		"https://" + host:                             700023,
		"https://" + host + ".evil.example/adfs":      700023,
		"http://" + host + "/adfs":                    700023,
		resource:                                      700023,
		exchange:                                      700023,
		"":                                            700023,
	} {
		text, no := f.ask(t, f.own(t, issuertest.Claims{"aud": audience}))
		if (text != "") != (number == 0) || number != 0 && no.Numbers[0] != number {
			t.Errorf("%q: %+v", audience, no)
		}
	}
}

// TestRoundedLife: clients round the two ends of ten minutes apart.
func TestRoundedLife(t *testing.T) {
	t.Parallel()
	f := newFederated(t, backup.NewKeyring(), issuertest.New(t))
	for more, want := range map[int64]bool{0: true, 1: true, 5: false} {
		now := f.now().Unix()
		text, no := f.ask(t, f.own(t, issuertest.Claims{"iat": now, "nbf": now + 1, "exp": now + 600 + more}))
		if (text != "") != want {
			t.Errorf("%d seconds more: %+v", more, no)
		}
	}
}

// TestAssertionsAreNoSecrets: a client without a secret is proved by none, and
// one with a secret by no assertion that is not its own.
func TestAssertionsAreNoSecrets(t *testing.T) {
	t.Parallel()
	f := newFederated(t, backup.NewKeyring(), issuertest.New(t))
	for _, secret := range []string{"", "x", string(make([]byte, 32))} {
		w := f.post(t, form("client_id", "job", "client_secret", secret))
		if w.Code == http.StatusOK {
			t.Errorf("%q is its secret", secret)
		}
	}
	w := f.post(t, form("client_secret", "", "client_assertion", f.workload(t, nil), "client_assertion_type", jwtBearer))
	if e := errorOf(t, w); w.Code != http.StatusUnauthorized || e.Numbers[0] != 700213 {
		t.Errorf("%d %+v", w.Code, e)
	}
}

// TestIssuerDown: nothing can be said of an assertion, so nothing is held against
// whoever sends it, and a client tries again.
func TestIssuerDown(t *testing.T) {
	t.Parallel()
	of := issuertest.New(t)
	of.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) })
	f := newFederated(t, backup.NewKeyring(), of)
	for range 20 {
		w := f.post(t, form("client_id", "job", "client_secret", "", "client_assertion", f.workload(t, nil), "client_assertion_type", jwtBearer))
		if e := errorOf(t, w); w.Code != http.StatusServiceUnavailable || e.Code != "temporarily_unavailable" || w.Header().Get("Retry-After") == "" {
			t.Fatalf("%d %+v %v", w.Code, e, w.Header())
		}
	}
	of.Answer(nil)
	f.turn(time.Minute)
	if text, no := f.ask(t, f.workload(t, nil)); text == "" {
		t.Errorf("%+v", no)
	}
	for _, e := range f.audit.Entries(t)[:1] {
		if e.Result != "unavailable" || e.Reason != "token of an issuer whose keys could not be fetched: corp" {
			t.Errorf("%+v", e)
		}
	}
}

// TestKeyBounds: each key of a client ends by itself and is good from where it is
// bound to, and so is what the login issued for it; the client's own bounds hold
// for all of them.
func TestKeyBounds(t *testing.T) {
	t.Parallel()
	oldKey, newKey, here := issuertest.RSAKey(1), issuertest.NewKey(t), netip.MustParsePrefix("192.0.2.0/24")
	f := newFederated(t, backup.NewKeyring(), issuertest.New(t), func(_ *issuer.Options, c *login.Client) {
		first, second := clientKey(t, oldKey), clientKey(t, newKey)
		first.Bounds.Expires = time.Unix(1_700_000_000, 0).Add(20 * time.Minute)
		second.Bounds.Addresses = []netip.Prefix{here}
		c.Keys, c.Secret = []issuer.ClientKey{first, second}, sha256.Sum256([]byte(password))
		c.Bounds.Expires = time.Unix(1_700_000_000, 0).Add(50 * time.Minute)
	})
	by := func(k issuertest.Key) string { f.key = k; return f.own(t, nil) }
	from := func(address string) func(*http.Request) {
		return func(r *http.Request) { r.RemoteAddr = address + ":1234" }
	}
	opens := func(token, address string) error {
		g, err := f.Verify(token)
		if err != nil {
			return err
		}
		return access.NewCredentials().Check(g.Caller, access.From{Via: "azure", Address: address, Time: f.now()})
	}
	ofOld, no := f.ask(t, by(oldKey), from("198.51.100.1"))
	if ofOld == "" || opens(ofOld, "198.51.100.1") != nil {
		t.Fatalf("the old key: %+v", no)
	}
	ofNew, no := f.ask(t, by(newKey), from("192.0.2.7"))
	if ofNew == "" || opens(ofNew, "192.0.2.7") != nil || opens(ofNew, "198.51.100.1") == nil {
		t.Fatalf("the new key: %+v", no)
	}
	if g, err := f.Verify(ofOld); err != nil || g.Expires.Sub(f.now()) != 20*time.Minute {
		t.Errorf("a token outlives its key: %v", err)
	}
	if token, no := f.ask(t, by(newKey), from("198.51.100.1")); token != "" || no.Code != "invalid_client" {
		t.Errorf("the new key, from elsewhere: %+v", no)
	}
	if last := f.audit.Entries(t)[len(f.audit.Entries(t))-1]; !strings.HasPrefix(last.Reason, "client-key:job/") || !strings.HasSuffix(last.Reason, "198.51.100.1: client job") && !strings.HasSuffix(last.Reason, "198.51.100.1") {
		t.Errorf("the audit says: %s", last.Reason)
	}

	f.turn(20 * time.Minute)
	if token, no := f.ask(t, by(oldKey)); token != "" || !slices.Contains(no.Numbers, 700024) {
		t.Errorf("the old key, when it has ended: %+v", no)
	}
	if opens(ofOld, "198.51.100.1") == nil || opens(ofNew, "192.0.2.7") != nil {
		t.Error("the old key ends with what it brought about, and the new one does not")
	}
	if w := f.post(t, form("client_id", "job"), from("198.51.100.1")); w.Code != http.StatusOK {
		t.Errorf("the secret: %d", w.Code)
	}

	f.turn(30 * time.Minute)
	if token, _ := f.ask(t, by(newKey)); token != "" {
		t.Error("a key outlives its client")
	}
}
