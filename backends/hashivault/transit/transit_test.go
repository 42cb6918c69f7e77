package transit

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

func TestMain(m *testing.M) { vaulttest.Main(m) }

// canary stands for what is sealed: it is told nowhere.
const canary = `{"keys":[{"k":"canary-of-the-keyring"}]}`

type fixture struct {
	*Engine
	conf   Config
	native *api.Client
	server *vaulttest.Server
}

func newFixture(t *testing.T, properties map[string]any, edit ...func(*Config)) *fixture {
	t.Helper()
	server := vaulttest.Shared(t)
	f := &fixture{server: server, native: server.Client(t, vaulttest.RootToken)}
	f.conf.Address, f.conf.Token = server.Address, secret.TextValue(vaulttest.RootToken)
	f.conf.Mount, f.conf.Key = server.NewTransit(t, properties)
	for _, e := range edit {
		e(&f.conf)
	}
	f.Engine = f.engine(t)
	return f
}

// engine is one of the configuration as it is now.
func (f *fixture) engine(t *testing.T) *Engine {
	t.Helper()
	if err := f.conf.Validate(); err != nil {
		t.Fatal(err)
	}
	return New(&f.conf, slog.New(slog.DiscardHandler), time.Now)
}

// as gives the engine a token with the capability update on these paths of the
// mount alone.
func (f *fixture) as(t *testing.T, paths ...string) (token string) {
	t.Helper()
	var rules strings.Builder
	for _, p := range paths {
		rules.WriteString(`path "` + f.conf.Mount + "/" + p + "/" + f.conf.Key + `" { capabilities = ["update"] }` + "\n")
	}
	token = f.server.Token(t, f.server.Policy(t, rules.String()))
	f.conf.Token = secret.TextValue(token)
	f.Engine = f.engine(t)
	return token
}

func (f *fixture) seal(t *testing.T) string {
	t.Helper()
	sealed, err := f.Seal(t.Context(), []byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func (f *fixture) write(t *testing.T, path string, data map[string]any) {
	t.Helper()
	if _, err := f.native.Logical().Write(f.conf.Mount+"/"+path, data); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) opens(t *testing.T, sealed string) {
	t.Helper()
	got, err := f.Open(t.Context(), sealed)
	if err != nil || string(got) != canary {
		t.Errorf("Open: %d bytes, %v", len(got), err)
	}
}

// fails: it is the kind, and says this and nothing of what is sealed.
func fails(t *testing.T, err error, kind secret.Kind, want string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(secret.DetailOf(err), want) {
		t.Errorf("got %v, want %v: %s", err, kind, want)
	}
	for _, hidden := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary)), "canary"} {
		if err != nil && strings.Contains(err.Error(), hidden) {
			t.Errorf("the error discloses: %v", err)
		}
	}
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	sealed := f.seal(t)
	f.opens(t, sealed)
	if strings.Contains(sealed, "canary") || !strings.HasPrefix(sealed, Prefix+"1:") {
		t.Errorf("sealed: %q", sealed)
	}
	// Vault's own command opens it.
	got, err := f.native.Logical().Write(f.conf.Mount+"/decrypt/"+f.conf.Key, map[string]any{"ciphertext": sealed})
	if err != nil || got.Data["plaintext"] != base64.StdEncoding.EncodeToString([]byte(canary)) {
		t.Errorf("Vault opens something else: %v", err)
	}
}

// TestRotated: what an older version sealed opens until Vault is told not to, and
// is sealed anew under the newest.
func TestRotated(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	old := f.seal(t)
	f.write(t, "keys/"+f.conf.Key+"/rotate", nil)
	f.opens(t, old)
	again := f.seal(t)
	if !strings.HasPrefix(again, Prefix+"2:") {
		t.Errorf("sealed after a rotation: %q", again)
	}
	f.write(t, "keys/"+f.conf.Key+"/config", map[string]any{"min_decryption_version": 2})
	f.opens(t, again)
	_, err := f.Open(t.Context(), old)
	fails(t, err, secret.Invalid, "min_decryption_version")
	if again := f.seal(t); !strings.HasPrefix(again, Prefix+"2:") {
		t.Errorf("sealed: %q", again)
	}
}

// TestChanged: nothing but what was sealed opens, and no error says what it holds.
func TestChanged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	sealed := f.seal(t)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sealed, Prefix+"1:"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(raw)
	flipped[len(flipped)/2] ^= 1
	encode := func(b []byte) string { return Prefix + "1:" + base64.StdEncoding.EncodeToString(b) }
	for what, text := range map[string]string{
		"cut": encode(raw[:len(raw)-3]), "nearly all cut": encode(raw[:4]), "empty": "", "one bit": encode(flipped), "text cut": sealed[:len(sealed)-1],
		"no prefix": strings.TrimPrefix(sealed, Prefix), "no version": Prefix + ":" + strings.TrimPrefix(sealed, Prefix+"1:"), "not sealed": canary,
	} {
		t.Run(what, func(t *testing.T) {
			_, err := f.Open(t.Context(), text)
			fails(t, err, secret.Corrupt, "not sealed by this key")
		})
	}
	_, err = f.Open(t.Context(), Prefix+"9:"+strings.TrimPrefix(sealed, Prefix+"1:"))
	fails(t, err, secret.Corrupt, "a later version of the key")
	f.write(t, "keys/other", nil)
	f.conf.Key = "other"
	_, err = f.engine(t).Open(t.Context(), sealed)
	fails(t, err, secret.Corrupt, "not sealed by this key")
}

// TestNoKeyIsMade: Vault makes a key where somebody seals with one that is not
// there. A misspelt name does not.
func TestNoKeyIsMade(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.conf.Key = "rimg"
	e := f.engine(t)
	_, err := e.Seal(t.Context(), []byte(canary))
	fails(t, err, secret.Invalid, "there is no such key in Vault: it is made with vault write -f "+f.conf.Mount+"/keys/rimg")
	_, err = e.Open(t.Context(), Prefix+"1:AAAA")
	fails(t, err, secret.Invalid, "there is no such key")
	if got, err := f.native.Logical().Read(f.conf.Mount + "/keys/rimg"); got != nil || err != nil {
		t.Errorf("Vault has the key: %v, %v", got, err)
	}
	for _, mount := range []string{"nowhere", "secret"} { // none, and a key-value engine
		f.conf.Mount = mount
		_, err = f.engine(t).Seal(t.Context(), []byte(canary))
		fails(t, err, secret.Invalid, "there is no transit engine at "+mount)
	}
}

// TestContext: a key that derives others opens with the context that it sealed
// with, and with no other.
func TestContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t, map[string]any{"derived": true}, func(c *Config) { c.Context = "gateway-eu" })
	sealed := f.seal(t)
	f.opens(t, sealed)
	f.conf.Context = "gateway-us"
	_, err := f.engine(t).Open(t.Context(), sealed)
	fails(t, err, secret.Corrupt, "with this context")
	f.conf.Context = ""
	_, err = f.engine(t).Open(t.Context(), sealed)
	fails(t, err, secret.Invalid, "context is missing")
	_, err = f.engine(t).Seal(t.Context(), []byte(canary))
	fails(t, err, secret.Invalid, "context is missing")
}

// TestWrongType: keys that sign, or encrypt next to nothing.
func TestWrongType(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"ed25519", "rsa-2048"} {
		f := newFixture(t, map[string]any{"type": kind})
		_, err := f.Seal(t.Context(), bytes.Repeat([]byte(canary), 20))
		fails(t, err, secret.Invalid, "use one of type aes256-gcm96")
	}
}

// TestTooLarge: Vault bounds a text in a request.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	large := bytes.Repeat([]byte("x"), 700_000)
	sealed, err := f.Seal(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := f.Open(t.Context(), sealed); err != nil || !bytes.Equal(got, large) {
		t.Errorf("%d bytes come back as %d: %v", len(large), len(got), err)
	}
	_, err = f.Seal(t.Context(), bytes.Repeat(large, 2))
	fails(t, err, secret.TooLarge, "larger than Vault takes")
}

// TestRights: a gateway needs decrypt alone; who seals needs both, so that nothing
// is written that does not open.
func TestRights(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	sealed := f.seal(t)
	token := f.as(t, "decrypt")
	f.opens(t, sealed)
	_, err := f.Seal(t.Context(), []byte(canary))
	fails(t, err, secret.Upstream, "update on "+f.conf.Mount+"/encrypt/ring")
	if err := f.native.Auth().Token().RevokeTree(token); err != nil {
		t.Fatal(err)
	}
	_, err = f.Open(t.Context(), sealed)
	fails(t, err, secret.Upstream, "Vault refused the gateway's own credentials")
	f.as(t, "encrypt")
	_, err = f.Seal(t.Context(), []byte(canary))
	fails(t, err, secret.Upstream, "does not open it again, so nothing was written")
	f.as(t, "decrypt", "encrypt")
	f.opens(t, f.seal(t))
}

// TestLogin: the token of a login is revoked once the work is done; one of the
// configuration stays.
func TestLogin(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	sealed := f.seal(t)
	policy := f.server.Policy(t, `path "`+f.conf.Mount+`/decrypt/ring" { capabilities = ["update"] }`)
	role := f.server.NewAppRole(t, policy, nil)
	f.conf.Token, f.conf.AppRole = secret.Value{}, &connection.AppRole{RoleID: role.RoleID, SecretID: secret.TextValue(role.SecretID), Mount: role.Mount}
	f.Engine = f.engine(t)
	if err := f.Keep(); err != nil {
		t.Fatal(err)
	}
	before := f.accessors(t)
	f.opens(t, sealed)
	if after := f.accessors(t); after > before {
		t.Errorf("%d tokens of the role are left, after %d", after, before)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// accessors counts the tokens of the fixture's role.
func (f *fixture) accessors(t *testing.T) (n int) {
	t.Helper()
	list, err := f.native.Logical().List("auth/token/accessors")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list.Data["keys"].([]any) {
		got, err := f.native.Auth().Token().LookupAccessor(a.(string))
		if err == nil && got.Data["path"] == "auth/"+f.conf.AppRole.Mount+"/login" {
			n++
		}
	}
	return n
}

// TestKept: a fixed token is renewed meanwhile, and opens as often as is asked.
func TestKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	sealed := f.seal(t)
	f.as(t, "decrypt")
	if err := f.Keep(); err != nil {
		t.Fatal(err)
	}
	f.opens(t, sealed)
	f.opens(t, sealed)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDown: a Vault that is sealed or gone is told from one that refuses.
func TestDown(t *testing.T) {
	t.Parallel()
	server := vaulttest.Start(t)
	f := &fixture{server: server, native: server.Client(t, vaulttest.RootToken)}
	f.conf.Address, f.conf.Token = server.Address, secret.TextValue(vaulttest.RootToken)
	f.conf.Mount, f.conf.Key = server.NewTransit(t, nil)
	f.Engine = f.engine(t)
	sealed := f.seal(t)
	server.Seal(t)
	_, err := f.Open(t.Context(), sealed)
	fails(t, err, secret.Unavailable, "Vault is sealed")
	server.Stop()
	_, err = f.Open(t.Context(), sealed)
	fails(t, err, secret.Unavailable, "Vault cannot be reached")
	_, err = f.Seal(t.Context(), []byte(canary))
	fails(t, err, secret.Unavailable, "Vault cannot be reached")
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*Config){
		"address: missing": func(c *Config) { c.Address = "" },
		"mount: want":      func(c *Config) { c.Mount = "a//b" },
		"key: missing":     func(c *Config) { c.Key = "" },
		"key: want":        func(c *Config) { c.Key = "a/b" },
		"want exactly one": func(c *Config) { c.Token = secret.Value{} },
		"tls: cert_file":   func(c *Config) { c.TLS.CertFile = "x" },
	} {
		c := Config{Access: connection.Access{Address: "https://vault.example:8200", Token: secret.TextValue("x")}, Key: "k"}
		c.SetDefaults()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		spoil(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error that says %q, got %v", want, err)
		}
	}
}
