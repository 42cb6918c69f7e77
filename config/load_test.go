package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	testSecret = "s3cr3t-0f8b2c64d19e73a5508c41f7b6d2e93a"
	weakSecret = "s3cr3t-of-people"
)

// testKinds has one backend, so that messages which list them stay the same.
func testKinds() backends.Registry { return backends.Registry{huaweicsms.Driver, memory.Driver} }

func setEnv(t *testing.T) {
	t.Setenv("TEST_SECRET", testSecret)
	t.Setenv("TEST_WEAK", weakSecret)
	t.Setenv("TEST_EMPTY", "")
}

func lines(problems []Problem, withSeverity bool) []string {
	var all []string
	for _, p := range problems {
		s := p.String()
		if withSeverity {
			s = string(p.Severity) + ": " + s
		}
		all = append(all, s)
	}
	slices.Sort(all)
	return all
}

// expected reads the comments of a file that begin with the marker.
func expected(t *testing.T, path, marker string) []string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(b)) {
		if s, ok := strings.CutPrefix(line, marker); ok {
			all = append(all, strings.ReplaceAll(strings.TrimSpace(s), "DIR", dir))
		}
	}
	slices.Sort(all)
	return all
}

func files(t *testing.T, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(pattern)
	if err != nil || len(all) == 0 {
		t.Fatalf("no file matches %s (%v)", pattern, err)
	}
	return all
}

func TestBad(t *testing.T) {
	setEnv(t)
	for _, path := range files(t, "testdata/bad/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, _, err := Load(path, testKinds())
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("want an *Error, got %v", err)
			}
			if d := gocmp.Diff(expected(t, path, "# want: "), lines(bad.Problems, false)); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
			if strings.Contains(err.Error(), "s3cr3t") {
				t.Error("the error shows a secret")
			}
		})
	}
}

func TestGood(t *testing.T) {
	setEnv(t)
	// Version control keeps no such modes.
	if err := os.Chmod("testdata/good/sk", 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range files(t, "testdata/good/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, said, err := Load(path, testKinds())
			if err != nil {
				t.Fatal(err)
			}
			if d := gocmp.Diff(expected(t, path, "# say: "), lines(said, true)); d != "" {
				t.Errorf("said (-want +got):\n%s", d)
			}
		})
	}
}

func TestFull(t *testing.T) {
	setEnv(t)
	dir, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := Load("testdata/good/full.yaml", testKinds())
	if err != nil {
		t.Fatal(err)
	}
	s := c.Stores[0]
	for what, pair := range map[string][2]any{
		"address":     {c.Server.Address, "127.0.0.1:9443"},
		"cert":        {c.Server.TLS.CertFile, filepath.Join(dir, "cert.pem")},
		"key":         {c.Server.TLS.KeyFile, "/etc/ssl/key.pem"},
		"client ca":   {c.Server.ClientCAFile, filepath.Join(dir, "clients.pem")},
		"max body":    {c.Server.MaxBody, Size(32 << 20)},
		"max blobs":   {c.Server.MaxBlobs, 2},
		"admin":       {c.Admin.Address, ""},
		"control":     {c.Control.Socket, filepath.Join(dir, "run/gw.sock")},
		"keyring":     {c.Keyring.File, filepath.Join(dir, "keys/ring.json")},
		"audit":       {c.Audit.File, filepath.Join(dir, "audit.jsonl")},
		"read only":   {s.ReadOnly, true},
		"retention":   {s.RetentionDays, 30},
		"protection":  {s.PurgeProtection, true},
		"on loss":     {s.OnLoss, "accept"},
		"archive":     {c.Archive.Dir, filepath.Join(dir, "archive")},
		"timeout":     {s.Timeout, 45 * time.Second},
		"concurrency": {s.Concurrency, 8},
		"project":     {c.Dialects.Huawei.Routes[0].Project, "0123456789abcdef0123456789abcdef"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", what, pair[0], pair[1])
		}
	}
	creds, err := c.Credentials(func(caller, sealed string) (string, secret.Value, error) {
		return "AKOLD", secret.TextValue(testSecret), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if who, ok := creds.Token(testSecret, "azure"); !ok || who.ID != "ci" {
		t.Error("the token given by reference is not the caller's")
	}
	if who, ok := creds.Token("", "azure"); !ok || who.ID != "ci" {
		t.Error("the token given by its hash is not the caller's")
	}
	if k, ok := creds.AccessKey("AKCI", "huawei"); !ok || string(k.Secret.Reveal()) != "7c1e04d9a2b85f36e0914bd7528ac3f6" {
		t.Error("the access key read from a file is not the caller's, or keeps its line end")
	}
	p := c.AccessPolicy()
	if !p.Allow(access.Caller{ID: "ci"}, access.Purge, access.Target{Store: "x", Name: "y"}) {
		t.Error("the first rule does not grant")
	}
	if p.Allow(access.Local("me"), access.Set, access.Target{Store: "x", Name: "y"}) {
		t.Error("local callers are free although a rule names them")
	}
}

func TestEnvironmentOverrides(t *testing.T) {
	setEnv(t)
	t.Setenv("VAULTFERRY_SERVER_ADDRESS", "[::1]:7443")
	t.Setenv("VAULTFERRY_SERVER_MAX_BLOBS", "9")
	t.Setenv("VAULTFERRY_SERVER_TLS_OFF", "true")
	t.Setenv("VAULTFERRY_DIALECTS_AZURE_AUTHORITY", "https://login.example/tenant")
	t.Setenv("VAULTFERRY_STORES", "ignored: not a scalar")
	c, _, err := Load("testdata/good/minimal.yaml", testKinds())
	if err != nil {
		t.Fatal(err)
	}
	if c.Server.Address != "[::1]:7443" || c.Server.MaxBlobs != 9 || c.Dialects.Azure.Authority != "https://login.example/tenant" {
		t.Errorf("not overridden: %+v", c.Server)
	}
	if c.Keyring.File == "" || len(c.Stores) != 1 {
		t.Error("what the environment does not name has changed")
	}
	t.Setenv("VAULTFERRY_SERVER_MAX_BLOBS", "many")
	_, _, err = Load("testdata/good/minimal.yaml", testKinds())
	if err == nil || !strings.Contains(err.Error(), "server.max_blobs: a number is wanted here") {
		t.Errorf("got %v", err)
	}
}

// A variable that looks like one of a key and is of none is told: nothing else
// would say that it was misspelt.
func TestMisspeltVariables(t *testing.T) {
	setEnv(t)
	for name, told := range map[string]bool{
		"VAULTFERRY_SERVER_ADRESS":          true,
		"VAULTFERRY_LOGIN_HOSTS":            true,
		"VAULTFERRY_STORES_PAYMENTS_FIELD":  true,
		"VAULTFERRY_SERVER_MAX_BLOBS":       false,
		"VAULTFERRY_CONFIG":                 false,
		"VAULTFERRY_ANYTHING":               false,
		"VAULTFERRY_SERVICE_HOST":           false, // Kubernetes sets these
		"VAULTFERRY_ADMIN_SERVICE_HOST":     false,
		"VAULTFERRY_ADMIN_PORT_8444_TCP":    false,
		"VAULTFERRY_LOGIN_SECRET_OF_CALLER": false, // the file below reads it
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, "7")
			raw, err := os.ReadFile("testdata/good/minimal.yaml")
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "vaultferry.yaml")
			if err := os.WriteFile(file, append(raw, "# VAULTFERRY_LOGIN_SECRET_OF_CALLER\n"...), 0o600); err != nil {
				t.Fatal(err)
			}
			_, said, err := Load(file, testKinds())
			if err != nil {
				t.Fatal(err)
			}
			want := Problem{Severity: Warning, Path: name, Message: "this environment variable is of no key, and does nothing"}
			if slices.Contains(said, want) != told {
				t.Errorf("said %v", said)
			}
		})
	}
}

// The socket lies beside the file unless the file says otherwise; "" is none.
func TestControlSocket(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "/etc/gw/vaultferry.sock", "control: { socket: a/b.sock }": "/etc/gw/a/b.sock",
		"control: { socket: /run/gw.sock }": "/run/gw.sock", `control: { socket: "" }`: "",
	} {
		c, _, err := parse("x.yaml", "/etc/gw", []byte(text+`
server: { tls: { cert_file: c, key_file: k } }
stores: [ { name: a, backend: memory } ]
`), testKinds())
		if err != nil || c.Control.Socket != want {
			t.Errorf("%q: %v, %v", text, c, err)
		}
	}
}

// Every scalar that stands in no list has its variable.
func TestScalars(t *testing.T) {
	t.Parallel()
	want := []string{
		"gateway.id", "gateway.name", "server.address", "server.tls.cert_file", "server.tls.key_file", "server.tls.acme.directory", "server.tls.acme.accept_terms", "server.tls.acme.email", "server.tls.acme.dir", "server.tls.acme.ca_file", "server.tls.off", "server.client_ca_file", "server.client_auth",
		"server.max_body", "server.max_blobs", "server.max_connections", "server.shutdown_delay", "server.proxy_protocol", "admin.address", "admin.tls.cert_file", "admin.tls.key_file", "admin.pprof", "control.socket", "reload.watch", "keyring.file", "keyring.credential", "keyring.env",
		"keyring.transit.file", "keyring.transit.address", "keyring.transit.namespace", "keyring.transit.approle.role_id", "keyring.transit.approle.mount",
		"keyring.transit.kubernetes.role", "keyring.transit.kubernetes.mount", "keyring.transit.kubernetes.token_file",
		"keyring.transit.jwt.role", "keyring.transit.jwt.mount", "keyring.transit.jwt.token_file", "keyring.transit.cert.role", "keyring.transit.cert.mount",
		"keyring.transit.tls.ca_file", "keyring.transit.tls.extra_ca_file", "keyring.transit.tls.cert_file", "keyring.transit.tls.key_file", "keyring.transit.tls.server_name",
		"keyring.transit.mount", "keyring.transit.key", "keyring.transit.context", "keyring.require_proof",
		"audit.file", "audit.max_size", "audit.max_age", "audit.low_water",
		"audit.syslog.address", "audit.syslog.ca_file", "audit.syslog.cert_file", "audit.syslog.key_file",
		"audit.witness.file", "audit.witness.key_file", "log.level", "log.format", "traces.endpoint", "traces.ca_file", "traces.sample_percent", "traces.names", "archive.dir",
		"dialects.azure.authority", "dialects.azure.resource", "dialects.huawei.domain", "dialects.huawei.require_signed_host", "login.host",
		"managed_identity.address", "callers_file",
	}
	if d := gocmp.Diff(want, scalars(reflect.TypeFor[Config](), "")); d != "" {
		t.Error(d)
	}
}

func TestEveryFieldIsTagged(t *testing.T) {
	t.Parallel()
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for typ.Kind() == reflect.Slice || typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() != reflect.Struct || seen[typ] || typ == reflect.TypeFor[secret.Value]() || typ == reflect.TypeFor[Token]() {
			return
		}
		seen[typ] = true
		for f := range typ.Fields() {
			if f.IsExported() && f.Tag.Get("mapstructure") == "" {
				t.Errorf("%s.%s has no mapstructure tag", typ, f.Name)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Config]())
	if len(seen) < 15 {
		t.Errorf("only %d types were seen", len(seen))
	}
}

func TestReadableSecretIsWarnedAbout(t *testing.T) {
	dir := t.TempDir()
	sk := filepath.Join(dir, "sk")
	write(t, sk, "value\n")
	if err := os.Chmod(sk, 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "c.yaml")
	write(t, path, "server: {tls: {off: true}}\nstores: [{name: a, backend: memory}]\ncallers: [{name: c, access_keys: [{id: A, secret: {file: sk}}]}]\n")
	_, said, err := Load(path, testKinds())
	if err != nil {
		t.Fatal(err)
	}
	want := "warning: " + sk + " holds a secret, and others than its owner can read or write it (mode 0644); chmod 600 it"
	if !slices.Contains(lines(said, true), want) {
		t.Errorf("said %q", lines(said, true))
	}
}

func TestNoFile(t *testing.T) {
	t.Parallel()
	_, _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), testKinds())
	var bad *Error
	if !errors.As(err, &bad) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// part is as a driver's section: strict, with a secret and a path.
type part struct {
	Path    string        `mapstructure:"path" path:"true"`
	Token   secret.Value  `mapstructure:"token"`
	Timeout time.Duration `mapstructure:"timeout"`
	Inner   struct {
		File string `mapstructure:"file" path:"true"`
	} `mapstructure:"inner"`
}

func TestSection(t *testing.T) {
	setEnv(t)
	s := &section{refs: &refs{dir: "/base"}, raw: map[string]any{
		"path": "x.db", "token": map[string]any{"env": "TEST_SECRET"}, "timeout": "2s",
		"inner": map[string]any{"file": "/abs"},
	}}
	var p part
	if err := s.Decode(&p); err != nil {
		t.Fatal(err)
	}
	if p.Path != "/base/x.db" || p.Inner.File != "/abs" || p.Timeout != 2*time.Second || !p.Token.Equal(secret.TextValue(testSecret)) {
		t.Errorf("decoded %q %q %v", p.Path, p.Inner.File, p.Timeout)
	}
	if strings.Contains(fmt.Sprintf("%+v %#v", p, p), testSecret) {
		t.Error("the section prints its secret")
	}
	s.raw = map[string]any{"path": 5, "token": "literal-s3cr3t", "inner": map[string]any{"fil": 1}, "more": 1}
	err := s.Decode(&p)
	want := []string{
		"inner.fil: unknown key",
		"more: unknown key",
		"path: text is wanted here and YAML reads this as a number: quote it",
		"token: a secret is never written here; use {env: NAME} or {file: PATH}",
	}
	got := strings.Split(err.Error(), "\n")
	slices.Sort(got)
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Size{"0": 0, "12": 12, "1KiB": 1024, "64MiB": 64 << 20, "2 GiB": 2 << 30, "5MB": 5e6, "7B": 7} {
		if got, err := ParseSize(in); err != nil || got != want {
			t.Errorf("%q is %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "1.5MiB", "9223372036854775807GiB", "12 apples"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%q is %d", in, got)
		}
	}
}

func TestResource(t *testing.T) {
	t.Parallel()
	c := Default()
	for _, tt := range []struct{ host, port, want string }{
		{"a.vault.localhost", "8443", "https://vault.localhost:8443"},
		{"a.vault.localhost", "443", "https://vault.localhost"},
		{"a.vault.localhost", "", "https://vault.localhost"},
		{"localhost", "8443", ""},
		{"127.0.0.1", "8443", ""},
	} {
		if got := c.Resource(AzureRoute{Host: tt.host}, tt.port); got != tt.want {
			t.Errorf("%s:%s advertises %q, want %q", tt.host, tt.port, got, tt.want)
		}
	}
	c.Dialects.Azure.Resource = "https://x.example"
	if got := c.Resource(AzureRoute{Host: "a.b"}, "1"); got != "https://x.example" {
		t.Error(got)
	}
	if got := c.Resource(AzureRoute{Host: "a.b", Resource: "https://y.example"}, "1"); got != "https://y.example" {
		t.Error(got)
	}
}

// FuzzLoad: no input panics, and nothing passes that breaks a rule others
// rely on.
func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml"} {
		all, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range all {
			b, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, _, err := parse("fuzz.yaml", dir, raw, testKinds())
		var bad *Error
		switch {
		case errors.As(err, &bad):
			if len(bad.Problems) == 0 {
				t.Error("an error without a problem")
			}
			return
		case err != nil:
			t.Fatalf("not an *Error: %v", err)
		}
		if c.Server.TLS.Off && !Loopback(c.Server.Address) {
			t.Error("TLS is off where others can reach")
		}
		names := slices.Clone(c.Stores)
		slices.SortFunc(names, func(a, b Store) int { return cmp.Compare(a.Name, b.Name) })
		for i := range names {
			if names[i].Name == "" || (i > 0 && names[i].Name == names[i-1].Name) {
				t.Error("a store without a name of its own")
			}
		}
		if _, err := c.Credentials(func(caller, sealed string) (string, secret.Value, error) {
			return "AKOLD", secret.TextValue(testSecret), nil
		}); err != nil {
			t.Errorf("the credentials do not load: %v", err)
		}
	})
}

// TestLoadUnresolved: a secret that is not there is no problem to whoever needs
// none, and one of the store that needs it; whatever else is wrong stays so.
func TestLoadUnresolved(t *testing.T) {
	t.Parallel()
	const head = `
server: { tls: { off: true } }
callers:
  - { name: one, tokens: [ { env: VAULTFERRY_TEST_UNSET } ] }
  - { name: two, access_keys: [ { id: AK, secret: { file: absent } } ] }
policy: [ { callers: [one], allow: [get], stores: [a], names: ['*'] } ]
stores:
  - { name: a, backend: memory }
  - name: cloud
    backend: huaweicsms
    huaweicsms: { endpoint: "https://kms.example", project_id: 0123456789abcdef0123456789abcdef, access_key: { id: AK, secret: { env: VAULTFERRY_TEST_UNSET } } }
`
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "vaultferry.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	file := write(head)
	var bad *Error
	if _, _, err := Load(file, testKinds()); !errors.As(err, &bad) || len(bad.Problems) != 3 {
		t.Fatalf("Load: %v", err)
	}
	c, _, err := LoadUnresolved(file, testKinds())
	if err != nil || len(c.Stores) != 2 || len(c.Policy) != 1 {
		t.Fatalf("LoadUnresolved: %v", err)
	}
	if err := c.CheckStore("a", testKinds()); err != nil {
		t.Errorf("a store without a secret: %v", err)
	}
	const want = `stores[1].huaweicsms.access_key.secret: the environment variable "VAULTFERRY_TEST_UNSET" is not set`
	if err := c.CheckStore("cloud", testKinds()); !errors.As(err, &bad) || bad.File != file || !slices.Equal(lines(bad.Problems, false), []string{want}) {
		t.Errorf("a store with one: %v", err)
	}
	file = write(head + "  - { name: b, backend: memory, memory: { what: 1 } }\naudit: { fil: x }\n")
	if _, _, err := LoadUnresolved(file, testKinds()); !errors.As(err, &bad) || len(bad.Problems) != 2 {
		t.Errorf("what is wrong all the same: %v", err)
	}
	file = write(strings.Replace(head, "{ env: VAULTFERRY_TEST_UNSET }", "plain", 1))
	if _, _, err := LoadUnresolved(file, testKinds()); !errors.As(err, &bad) || !strings.Contains(err.Error(), "a token is never written here") {
		t.Errorf("a secret in its place: %v", err)
	}
}
