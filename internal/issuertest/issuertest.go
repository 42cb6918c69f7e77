// Package issuertest is a small OpenID Connect issuer for tests: discovery, keys
// and signatures over TLS, and whatever may go wrong with them.
package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/internal/pki"
)

// Key is one that signs.
type Key struct {
	ID        string
	Algorithm string
	Private   crypto.Signer
}

var keys atomic.Int64

// rsaKeys are made once: they take the longest.
var rsaKeys [2]func() *rsa.PrivateKey

func init() {
	for i := range rsaKeys {
		rsaKeys[i] = sync.OnceValue(func() *rsa.PrivateKey {
			k, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				panic(err)
			}
			return k
		})
	}
}

// NewKey returns one of P-256 that nobody else has.
func NewKey(t testing.TB) Key {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return Key{ID: "ec-" + strconv.FormatInt(keys.Add(1), 10), Algorithm: "ES256", Private: k}
}

// RSAKey returns one of two RSA keys of this process.
func RSAKey(n int) Key {
	return Key{ID: "rsa-" + strconv.Itoa(n), Algorithm: "RS256", Private: rsaKeys[n]()}
}

// Public is the key as a JWKS has it.
func (k Key) Public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private.Public(), KeyID: k.ID, Algorithm: k.Algorithm, Use: "sig"}
}

// Claims are what a token says.
type Claims map[string]any

// With returns the claims with others in their place; nil leaves one out.
func (c Claims) With(changes Claims) Claims {
	all := maps.Clone(c)
	for name, v := range changes {
		if all[name] = v; v == nil {
			delete(all, name)
		}
	}
	return all
}

// Sign returns a token under the key.
func (k Key) Sign(t testing.TB, c Claims) string {
	t.Helper()
	payload, err := json.Marshal(c)
	must(t, err)
	s, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.Algorithm), Key: jose.JSONWebKey{Key: k.Private, KeyID: k.ID}},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	must(t, err)
	jws, err := s.Sign(payload)
	must(t, err)
	token, err := jws.CompactSerialize()
	must(t, err)
	return token
}

// Unsigned joins a header, claims and a signature as they are.
func Unsigned(t testing.TB, header, claims any, signature []byte) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		must(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(header) + "." + part(claims) + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// Issuer is a running one. It stops with its test.
type Issuer struct {
	URL    string
	CAFile string
	CAPEM  []byte
	// Key signs what Token returns.
	Key Key

	mu      sync.Mutex
	public  []jose.JSONWebKey
	answer  http.HandlerFunc // instead of the keys; nil: none
	bearer  string           // that is asked for; empty: none
	fetches int              // of keys
}

// New starts an issuer, whose URL has a path.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{Key: RSAKey(0)}
	i.public = []jose.JSONWebKey{i.Key.Public()}
	now := time.Now()
	ca, err := pki.New(now)
	must(t, err)
	pair, err := ca.Issue([]string{"localhost", "127.0.0.1"}, now)
	must(t, err)
	cert, err := pair.TLS()
	must(t, err)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(i.serve))
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	i.URL, i.CAPEM = srv.URL+"/tenant", ca.Cert()
	i.CAFile = filepath.Join(t.TempDir(), "issuer-ca.pem")
	must(t, os.WriteFile(i.CAFile, i.CAPEM, 0o600))
	return i
}

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	public, answer, bearer := slices.Clone(i.public), i.answer, i.bearer
	if r.URL.Path == "/tenant/keys" {
		i.fetches++
	}
	i.mu.Unlock()
	if bearer != "" && r.Header.Get("Authorization") != "Bearer "+bearer {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch {
	case r.URL.Path == "/tenant/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	case r.URL.Path != "/tenant/keys":
		http.NotFound(w, r)
	case answer != nil:
		answer(w, r)
	default:
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: public})
	}
}

// Publish makes these the issuer's keys.
func (i *Issuer) Publish(all ...Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.public = nil
	for _, k := range all {
		i.public = append(i.public, k.Public())
	}
}

// Answer makes f answer for the keys; nil: they are answered as they are.
func (i *Issuer) Answer(f http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = f
}

// Ask makes the issuer ask for a token.
func (i *Issuer) Ask(bearer string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.bearer = bearer
}

// Fetches is how often its keys were asked for.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// Claims are those of a token that was issued now for five minutes.
func (i *Issuer) Claims(now time.Time, subject, audience string) Claims {
	return Claims{
		"iss": i.URL, "sub": subject, "aud": audience,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
	}
}

// Token is a token that was issued now.
func (i *Issuer) Token(t testing.TB, now time.Time, subject, audience string) string {
	t.Helper()
	return i.Key.Sign(t, i.Claims(now, subject, audience))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
