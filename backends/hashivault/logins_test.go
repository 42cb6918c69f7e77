package hashivault

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv2"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// watched is what a store's requests show.
type watched struct {
	logins atomic.Int64
	token  atomic.Value // of the last request
}

func (w *watched) around(next http.RoundTripper) http.RoundTripper {
	return kvtest.RoundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/login") {
			w.logins.Add(1)
		} else {
			w.token.Store(r.Header.Get("X-Vault-Token"))
		}
		return next.RoundTrip(r)
	})
}

// revoke takes the token of the last request away.
func (w *watched) revoke(t *testing.T, f *fixture) {
	t.Helper()
	if err := f.native.Auth().Token().RevokeTree(w.token.Load().(string)); err != nil {
		t.Fatal(err)
	}
}

// watch opens a store and watches its requests.
func (f *fixture) watch(t *testing.T) (*kv2.Store, *watched) {
	t.Helper()
	c := f.conf.TLS
	wire, err := kit.Transport{Roots: c.Roots(), CertFile: c.CertFile, KeyFile: c.KeyFile}.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.CloseIdleConnections)
	w := new(watched)
	return f.open(t, w.around(wire)), w
}

// wantLogin proves that a login serves, lasts, and is made anew when its token
// goes.
func (f *fixture) wantLogin(t *testing.T) {
	t.Helper()
	if err := f.conf.Validate(); err != nil {
		t.Fatal(err)
	}
	s, w := f.watch(t)
	if _, err := s.Put(t.Context(), "s", kvtest.Text("x")); err != nil {
		t.Fatalf("Put: %v", err)
	}
	if _, err := s.Get(t.Context(), "s", secret.Current); err != nil || w.logins.Load() != 1 {
		t.Errorf("Get: %v, after %d logins", err, w.logins.Load())
	}
	w.revoke(t, f)
	if _, err := s.Put(t.Context(), "s", kvtest.Text("y")); err != nil || w.logins.Load() != 2 {
		t.Errorf("Put after the token went: %v, after %d logins", err, w.logins.Load())
	}
}

// wantRefused proves that a refused login is no caller's fault, tells nothing,
// and is not repeated at once.
func (f *fixture) wantRefused(t *testing.T) {
	t.Helper()
	clock := time.Now()
	f.now = func() time.Time { return clock }
	defer func() { f.now = time.Now }()
	s, w := f.watch(t)
	for i := range 6 {
		_, err := s.Get(t.Context(), "s", secret.Current)
		if !errors.Is(err, secret.Upstream) || strings.Contains(err.Error(), "canary") {
			t.Errorf("Get: %v", err)
		}
		if i == 2 {
			clock = clock.Add(5 * time.Second)
		}
	}
	if n := w.logins.Load(); n > 2 {
		t.Errorf("%d logins, want 2 at most", n)
	}
}

// method mounts a way to log in with one role, "gateway", and returns its path.
func (f *fixture) method(t *testing.T, kind, role string, config, properties map[string]any) string {
	t.Helper()
	path := f.server.NewAuth(t, kind)
	properties["token_policies"] = f.server.Policy(t, kvtest.Policy(f.conf.Mount))
	for at, data := range map[string]map[string]any{"auth/" + path + "/config": config, "auth/" + path + "/" + role + "/gateway": properties} {
		if data == nil {
			continue
		}
		if _, err := f.native.Logical().Write(at, data); err != nil {
			t.Fatal(err)
		}
	}
	f.conf.Token = secret.Value{}
	return path
}

// issuer signs tokens that Vault is told to trust.
type issuer struct{ key *rsa.PrivateKey }

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{key}
}

func (i *issuer) public(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&i.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (i *issuer) sign(t *testing.T, lasting time.Duration) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: i.key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	claims, err := json.Marshal(map[string]any{"sub": "gateway", "aud": "vault", "iat": now.Unix(), "nbf": now.Unix() - 60, "exp": now.Add(lasting).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestLoginAppRole(t *testing.T) {
	f := newFixture(t)
	role := f.server.NewAppRole(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)), map[string]any{"token_ttl": "1h"})
	f.conf.Token = secret.Value{}
	f.conf.AppRole = &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	f.wantLogin(t)
	f.conf.AppRole.SecretID = secret.TextValue("canary-wrong")
	f.wantRefused(t)
	f.conf.AppRole.Mount = "nowhere"
	f.wantRefused(t)
}

// TestLoginJWT: the file is read at each login, for whoever signed the token
// replaces it.
func TestLoginJWT(t *testing.T) {
	f, signer := newFixture(t), newIssuer(t)
	mount := f.method(t, "jwt", "role", map[string]any{"jwt_validation_pubkeys": []string{signer.public(t)}},
		map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": []string{"vault"}})
	f.conf.JWT = &connection.JWT{Role: "gateway", Mount: mount, Token: secret.TextValue(signer.sign(t, time.Hour))}
	f.wantLogin(t)

	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(signer.sign(t, time.Hour) + "\n")
	f.conf.JWT = &connection.JWT{Role: "gateway", Mount: mount, TokenFile: file}
	f.wantLogin(t)

	for what, token := range map[string]string{
		"over": signer.sign(t, -time.Hour), "another's": newIssuer(t).sign(t, time.Hour), "none": "canary-none",
	} {
		t.Run(what, func(t *testing.T) {
			write(token)
			f.wantRefused(t)
		})
	}
	f.conf.JWT.TokenFile = filepath.Join(t.TempDir(), "absent")
	f.wantRefused(t)
}

// TestLoginCert: the certificate that the connection shows is the login.
func TestLoginCert(t *testing.T) {
	server := vaulttest.StartTLS(t)
	f := &fixture{server: server, native: server.Client(t, vaulttest.RootToken), now: time.Now}
	f.conf.SetDefaults()
	f.conf.Address, f.conf.TLS.CAFile = server.Address, server.CAFile()
	ours := newCertificate(t, &f.conf.TLS)
	mount := f.method(t, "cert", "certs", nil, map[string]any{"certificate": ours})
	for _, role := range []string{"gateway", ""} {
		f.conf.Cert = &connection.Cert{Role: role, Mount: mount}
		f.wantLogin(t)
	}
	f.conf.Cert.Role = "another"
	f.wantRefused(t)
	f.conf.Cert.Role = "gateway"
	newCertificate(t, &f.conf.TLS)
	f.wantRefused(t)
}

// newCertificate makes a key and a certificate of its own, in files that c
// then names.
func newCertificate(t *testing.T, c *connection.TLS) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, IsCA: true, BasicConstraintsValid: true,
	}
	template.Subject.CommonName = "gateway"
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	c.CertFile, c.KeyFile = filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	private := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	if err := errors.Join(os.WriteFile(c.CertFile, cert, 0o600), os.WriteFile(c.KeyFile, private, 0o600)); err != nil {
		t.Fatal(err)
	}
	return string(cert)
}

// TestLoginKubernetes: the request is the one that the method's documentation
// shows, and the token of the pod is read at each login. The method itself is
// scripted: the server of the tests has none. The rest is real.
func TestLoginKubernetes(t *testing.T) {
	f := newFixture(t)
	policy := f.server.Policy(t, kvtest.Policy(f.conf.Mount))
	file := filepath.Join(t.TempDir(), "token")
	var pod atomic.Value
	rotate := func(token string) {
		pod.Store(token)
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rotate("canary-pod-1")
	f.conf.Address = kvtest.Front(t, f.server.Address, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/v1/auth/clusters/one/login" {
			return false
		}
		var body map[string]any
		if json.NewDecoder(r.Body).Decode(&body) != nil || len(body) != 2 || body["role"] != "gateway" || body["jwt"] != pod.Load() {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"errors":["permission denied"]}`))
			return true
		}
		answer := map[string]any{"auth": map[string]any{"client_token": f.server.Token(t, policy), "renewable": true, "lease_duration": 3600}}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
		return true
	})
	f.conf.Token = secret.Value{}
	f.conf.Kubernetes = &connection.Kubernetes{Role: "gateway", Mount: "clusters/one", TokenFile: file}
	f.wantLogin(t)
	s, w := f.watch(t)
	if _, err := s.Put(t.Context(), "s", kvtest.Text("z")); err != nil {
		t.Fatal(err)
	}
	rotate("canary-pod-2")
	w.revoke(t, f)
	if _, err := s.Put(t.Context(), "s", kvtest.Text("z")); err != nil {
		t.Errorf("Put after the pod's token changed: %v", err)
	}
	f.conf.Kubernetes.Role = "another"
	f.wantRefused(t)
	f.conf.Kubernetes.TokenFile = filepath.Join(t.TempDir(), "absent")
	f.wantRefused(t)
}

// TestNamespace: every request names it, the login too. The server of the
// tests ignores it, so a front looks.
func TestNamespace(t *testing.T) {
	f := newFixture(t)
	role := f.server.NewAppRole(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)), map[string]any{"token_ttl": "1h"})
	f.conf.Token, f.conf.Namespace = secret.Value{}, "team/payments"
	f.conf.AppRole = &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	var seen, logins atomic.Int64
	f.conf.Address = kvtest.Front(t, f.server.Address, func(_ http.ResponseWriter, r *http.Request) bool {
		seen.Add(1)
		if strings.HasSuffix(r.URL.Path, "/login") {
			logins.Add(1)
		}
		if got := r.Header.Get("X-Vault-Namespace"); got != "team/payments" {
			t.Errorf("%s %s names the namespace %q", r.Method, r.URL.Path, got)
		}
		return false
	})
	s := f.open(t, nil)
	if err := s.Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
	if _, err := s.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("x"), Disabled: true}); err != nil {
		t.Errorf("Put: %v", err)
	}
	if _, err := s.List(t.Context(), secret.Query{}); err != nil {
		t.Errorf("List: %v", err)
	}
	if logins.Load() != 1 || seen.Load() < 6 {
		t.Errorf("%d requests, %d logins", seen.Load(), logins.Load())
	}
}

// TestTokenOfFewUses: a token that is used up is one that went (2.10).
func TestTokenOfFewUses(t *testing.T) {
	f := newFixture(t)
	role := f.server.NewAppRole(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)), map[string]any{"token_num_uses": 4})
	f.conf.Token = secret.Value{}
	f.conf.AppRole = &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	s, w := f.watch(t)
	for range 12 {
		if _, err := s.Describe(t.Context(), "s"); !errors.Is(err, secret.NotFound) {
			t.Errorf("Describe: %v", err)
		}
	}
	if n := w.logins.Load(); n < 3 || n > 12 {
		t.Errorf("%d logins for 12 requests", n)
	}
}

// TestLoginUnanswered: a server that cannot log anybody in just now has refused
// nobody; the next request asks again.
func TestLoginUnanswered(t *testing.T) {
	f := newFixture(t)
	f.mustPut(t, "s", kvtest.Text("x"))
	role := f.server.NewAppRole(t, f.server.Policy(t, kvtest.Policy(f.conf.Mount)), map[string]any{"token_ttl": "1h"})
	f.conf.Token = secret.Value{}
	f.conf.AppRole = &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	var status atomic.Int64
	f.conf.Address = kvtest.Front(t, f.server.Address, func(w http.ResponseWriter, r *http.Request) bool {
		code := int(status.Load())
		if !strings.HasSuffix(r.URL.Path, "/login") || code == http.StatusOK {
			return false
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"errors":["Vault is sealed"]}`))
		return true
	})
	s := f.open(t, nil)
	for code, kind := range map[int]secret.Kind{
		http.StatusServiceUnavailable: secret.Unavailable, http.StatusInternalServerError: secret.Unavailable, http.StatusTemporaryRedirect: secret.Unavailable,
	} {
		status.Store(int64(code))
		if _, err := s.Get(t.Context(), "s", secret.Current); !errors.Is(err, kind) {
			t.Errorf("%d: %v", code, err)
		}
		if _, err := s.Put(t.Context(), "s", kvtest.Text("canary-y")); !errors.Is(err, kind) || errors.Is(err, secret.Unknown) {
			t.Errorf("%d: %v", code, err)
		}
	}
	status.Store(http.StatusOK)
	if _, err := s.Get(t.Context(), "s", secret.Current); err != nil {
		t.Errorf("once it answers: %v", err)
	}
}
