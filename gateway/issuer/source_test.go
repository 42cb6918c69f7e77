package issuer_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/issuer"
	"github.com/vaultferry/vaultferry/internal/issuertest"
)

// TestTurn: a new key is fetched when its first token comes, and a key that is
// withdrawn ends with the next look, and its tokens with it.
func TestTurn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old, next := w.of.Key, issuertest.NewKey(t)
	token := old.Sign(t, w.claims())
	w.opens(t, token, "app")
	w.of.Publish(next)
	if _, err := w.Bearer(next.Sign(t, w.claims())); fault(t, err).Fault != access.BadSignature {
		t.Errorf("within 30 seconds of a fetch: %v", err)
	}
	w.turn(31 * time.Second)
	w.opens(t, next.Sign(t, w.claims()), "app")
	if _, err := w.Bearer(token); fault(t, err).Fault != access.BadSignature {
		t.Errorf("under a key that is gone: %v", err)
	}
	w.of.Publish(old, next)
	w.turn(31 * time.Second)
	w.opens(t, token, "app")
	if n := w.of.Fetches(); n != 3 {
		t.Errorf("%d fetches", n)
	}
}

// TestWithdrawn: nobody needs an unknown key for a withdrawn one to go, and after
// an idle spell it opens nothing, to however many at once.
func TestWithdrawn(t *testing.T) {
	t.Parallel()
	for name, crowd := range map[string]int{"one": 1, "a crowd": 200} {
		w := newWorld(t)
		w.opens(t, w.of.Token(t, w.now(), "app", audience), "app")
		lasting := w.of.Key.Sign(t, w.claims().With(issuertest.Claims{"exp": w.now().Add(20 * time.Hour).Unix()}))
		w.opens(t, lasting, "app") // and is remembered
		w.of.Publish(issuertest.NewKey(t))
		w.turn(time.Hour + time.Second)
		var all sync.WaitGroup
		for i := range crowd {
			token := lasting
			if i%2 == 1 {
				token = w.of.Token(t, w.now(), "app", audience)
			}
			all.Go(func() {
				if _, err := w.Bearer(token); err == nil {
					t.Errorf("%s: a withdrawn key opens", name)
				}
			})
		}
		all.Wait()
	}
}

// TestIdleWhileDown: after an idle spell an issuer that is down is waited for once,
// and then tokens go by the keys that are known. When it is up again, and idle for
// as long, a withdrawn key opens nothing.
func TestIdleWhileDown(t *testing.T) {
	t.Parallel()
	ends := make(fetches, 10)
	w := newWorld(t, func(o *issuer.Options) { o.Sources = issuer.NewSources(ends) })
	w.opens(t, w.of.Token(t, w.now(), "app", audience), "app")
	if !<-ends {
		t.Fatal("the first fetch failed")
	}
	w.of.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	w.turn(time.Hour + time.Second)
	w.opens(t, w.of.Token(t, w.now(), "app", audience), "app")
	if len(ends) != 1 || <-ends {
		t.Fatal("the issuer was not waited for")
	}
	going := make(chan struct{})
	w.of.Answer(func(w http.ResponseWriter, _ *http.Request) {
		<-going
		w.WriteHeader(http.StatusInternalServerError)
	})
	w.turn(31 * time.Second)
	w.opens(t, w.of.Token(t, w.now(), "app", audience), "app") // else it hangs
	close(going)
	if <-ends {
		t.Fatal("the third fetch did not fail")
	}
	w.of.Answer(nil)
	w.of.Publish(issuertest.NewKey(t))
	w.turn(time.Hour)
	if _, err := w.Bearer(w.of.Token(t, w.now(), "app", audience)); err == nil {
		t.Error("a withdrawn key opens after a failure long ago")
	}
}

// TestFlood: unknown keys cost one fetch in 30 seconds, however many come, and one
// that stays unknown costs none for a while.
func TestFlood(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.of.Token(t, w.now(), "app", audience)
	w.opens(t, good, "app")
	stranger := issuertest.NewKey(t)
	flood := func() {
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				for j := range 300 {
					key := stranger
					key.ID = strconv.Itoa(i*1000 + j)
					token := issuertest.Unsigned(t, map[string]any{"alg": key.Algorithm, "kid": key.ID}, w.claims(), []byte("signature"))
					if _, err := w.Bearer(token); err == nil {
						t.Error("accepted")
					}
				}
			})
		}
		all.Wait()
	}
	for range 3 {
		flood()
		w.opens(t, good, "app")
		w.turn(31 * time.Second)
	}
	if n := w.of.Fetches(); n > 3 {
		t.Errorf("%d fetches", n)
	}
	before := w.of.Fetches()
	for range 3 { // the same one again
		_, _ = w.Bearer(stranger.Sign(t, w.claims()))
		w.turn(31 * time.Second)
	}
	if n := w.of.Fetches() - before; n > 1 {
		t.Errorf("%d fetches for one key that nobody knows", n)
	}
}

// TestDown: an issuer that is down serves from what is known, and says so. Of a key
// that is not known, as of an issuer that was never up, it says that nobody knows.
func TestDown(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var mu sync.Mutex
	var last watcher
	w := newWorld(t, func(o *issuer.Options) {
		o.Log = slog.New(slog.NewTextHandler(&locked{&log, &mu}, nil))
		o.Sources = issuer.NewSources(&last)
	})
	w.opens(t, w.of.Token(t, w.now(), "app", audience), "app")
	if !last.Load() {
		t.Error("the fetch is not told")
	}
	for name, broken := range map[string]http.HandlerFunc{
		"refuses":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"no JSON":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys":   func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"redirects": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) },
		"grows": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[` + strings.Repeat(" ", 2<<20) + `]}`))
		},
		"too many keys": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"keys":[` + strings.TrimSuffix(strings.Repeat("{},", 300), ",") + `]}`))
		},
		"hangs": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(8 * time.Second):
			}
		},
	} {
		w.of.Answer(broken)
		w.turn(31 * time.Second)
		if _, err := w.Bearer(issuertest.NewKey(t).Sign(t, w.claims())); fault(t, err).Fault != access.IssuerDown || fault(t, err).Again <= 0 || fault(t, err).Again > 30*time.Second || last.Load() {
			t.Errorf("%s: %v", name, err)
		}
		impostor := issuertest.NewKey(t)
		impostor.ID = w.of.Key.ID
		for range 20 {
			if _, err := w.Bearer(impostor.Sign(t, w.claims())); fault(t, err).Fault != access.BadSignature {
				t.Errorf("%s: a token under a key that is known: %v", name, err)
			}
			if _, err := w.Bearer(issuertest.NewKey(t).Sign(t, w.claims())); fault(t, err).Fault != access.IssuerDown {
				t.Errorf("%s, again: %v", name, err)
			}
		}
		w.opens(t, w.of.Token(t, w.now(), "app", audience), "app")
	}
	gone := w.options
	gone.Issuers, gone.Bindings = nil, nil
	if _, err := issuer.New(gone); err != nil || last.gone.Load() != 1 {
		t.Errorf("an issuer that is gone is told %d times, %v", last.gone.Load(), err)
	}
	w.options.Sources = issuer.NewSources(nil)
	w.reload(t)
	if _, err := w.Bearer(w.of.Token(t, w.now(), "app", audience)); fault(t, err).Fault != access.IssuerDown {
		t.Errorf("an issuer that was never up: %v", err)
	}
	w.of.Answer(nil)
	w.turn(31 * time.Second)
	w.opens(t, w.of.Token(t, w.now(), "app", audience), "app")
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), "could not be fetched"); n == 0 || n > 8 || strings.Count(log.String(), "\n") > 12 {
		t.Errorf("the log says it %d times", n)
	}
}

// fetches are how each one went.
type fetches chan bool

func (f fetches) IssuerFetched(_ string, ok bool) { f <- ok }

func (fetches) IssuerGone(string) {}

// watcher keeps how the last fetch went.
type watcher struct {
	atomic.Bool
	gone atomic.Int64
}

func (w *watcher) IssuerFetched(_ string, ok bool) { w.Store(ok) }

func (w *watcher) IssuerGone(string) { w.gone.Add(1) }

type locked struct {
	to *bytes.Buffer
	mu *sync.Mutex
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(b)
}

// TestBehindAuthentication is a cluster's issuer: it is named by the pod's own
// token, which is shown to it, and its certificate is of the cluster's CA.
func TestBehindAuthentication(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	w := newWorld(t, func(o *issuer.Options) { o.Issuers = nil; o.Bindings = nil })
	own := w.of.Token(t, w.now(), "system:serviceaccount:vaultferry:vaultferry", "https://kubernetes.default.svc")
	if err := os.WriteFile(file, []byte(own+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.of.Ask(own)
	cluster := w.trusted()
	cluster.URL, cluster.BearerTokenFile = "", file
	w.options.Issuers = []issuer.Issuer{cluster}
	w.options.Bindings = []issuer.Binding{{
		Issuer: "corp", Caller: "app",
		Claims: []issuer.Claim{{Name: "/kubernetes.io/namespace", Values: []string{"payments"}}, {Name: "/kubernetes.io/serviceaccount/name", Values: []string{"app"}}},
	}}
	w.reload(t)
	pod := func(namespace string) string {
		return w.of.Key.Sign(t, w.of.Claims(w.now(), "system:serviceaccount:"+namespace+":app", exchange).With(issuertest.Claims{
			"aud":           []string{exchange},
			"kubernetes.io": map[string]any{"namespace": namespace, "serviceaccount": map[string]any{"name": "app", "uid": "1"}},
		}))
	}
	id, err := w.Assertion(pod("payments"), "app")
	if err != nil || id.User != "corp/system:serviceaccount:payments:app" {
		t.Fatalf("%+v, %v", id, err)
	}
	if _, err := w.Assertion(pod("other"), "app"); fault(t, err).Fault != access.UnboundToken {
		t.Errorf("another namespace: %v", err)
	}
	foreign := newWorld(t)
	for _, iss := range []string{foreign.of.URL, w.of.URL} { // many clusters have one URL
		token := issuertest.NewKey(t).Sign(t, foreign.of.Claims(w.now(), "system:serviceaccount:payments:app", exchange).With(issuertest.Claims{"iss": iss}))
		if _, err := w.Assertion(token, "app"); err == nil {
			t.Errorf("a token of another cluster is accepted")
		}
	}
}

// TestJWKSFile: nothing is fetched.
func TestJWKSFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.json")
	w := newWorld(t, func(o *issuer.Options) { o.Issuers = nil; o.Bindings = nil })
	write := func(set any) {
		b, err := json.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{w.of.Key.Public()}})
	local := w.trusted()
	local.JWKSFile = file
	w.options.Issuers, w.options.Bindings = []issuer.Issuer{local}, []issuer.Binding{{Issuer: "corp", Caller: "app", Subject: "app"}}
	w.reload(t)
	w.opens(t, w.of.Token(t, w.now(), "app", audience), "app")
	if n := w.of.Fetches(); n != 0 {
		t.Errorf("%d fetches", n)
	}
	for name, set := range map[string]any{
		"no set": []int{1}, "no key": map[string]any{"keys": []any{}},
		"a secret key":  jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: []byte("0123456789abcdef0123456789abcdef"), KeyID: w.of.Key.ID, Algorithm: "HS256"}}},
		"a private key": jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: w.of.Key.Private, KeyID: w.of.Key.ID}}},
		"for X.509":     jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: w.of.Key.Private.Public(), KeyID: w.of.Key.ID, Use: "x509-svid"}}},
	} {
		write(set)
		if err := issuer.Check(w.options); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestSPIFFE: a trust domain's tokens have no iss; their keys are those of its
// bundle that are for them.
func TestSPIFFE(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "bundle.json")
	w := newWorld(t, func(o *issuer.Options) { o.Issuers = nil; o.Bindings = nil })
	key, x509 := issuertest.NewKey(t), issuertest.NewKey(t)
	svid, other := key.Public(), x509.Public()
	svid.Use, svid.Algorithm, other.Use, other.Algorithm = "jwt-svid", "", "x509-svid", ""
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{other, svid}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	w.options.Issuers = []issuer.Issuer{{
		Name: "spire", URL: "spiffe://corp.example", JWKSFile: file, Audiences: []string{audience}, AssertionAudiences: []string{exchange},
		Algorithms: []string{"ES256"}, MaxLife: time.Hour,
	}}
	w.options.Bindings = []issuer.Binding{{Issuer: "spire", Caller: "app", Subject: "spiffe://corp.example/payments/app"}}
	w.reload(t)
	claims := issuertest.Claims{"sub": "spiffe://corp.example/payments/app", "aud": []string{audience}, "exp": w.now().Add(5 * time.Minute).Unix()}
	w.opens(t, key.Sign(t, claims), "app")
	w.opens(t, key.Sign(t, claims.With(issuertest.Claims{"iss": "https://oidc.corp.example"})), "app")
	for name, token := range map[string]string{
		"another domain":  key.Sign(t, claims.With(issuertest.Claims{"sub": "spiffe://corp.example.evil/payments/app"})),
		"another path":    key.Sign(t, claims.With(issuertest.Claims{"sub": "spiffe://corp.example/payments/other"})),
		"a key for X.509": x509.Sign(t, claims),
		"no end":          key.Sign(t, claims.With(issuertest.Claims{"exp": nil})),
	} {
		if _, err := w.Bearer(token); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
