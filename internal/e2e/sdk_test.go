package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/dialects/azure"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/sdktest"
	"github.com/vaultferry/vaultferry/secret"
)

// sdk is a vendor's SDK of another language and the tests that drive it.
type sdk struct {
	// command runs the tests in dir, a copy of their folder.
	command func(dir string) []string
	env     func(dir string) []string
	ran     *regexp.Regexp // the number of tests in what they print
	skipped *regexp.Regexp // matches if one was not run
}

var sdks = map[string]sdk{
	"js": {
		command: nodeTests,
		env:     func(string) []string { return nil },
		ran:     regexp.MustCompile(`(?m)^# pass (\d+)$`),
		skipped: regexp.MustCompile(`(?m)^# (skipped|todo|cancelled) [1-9]`),
	},
	"python": {
		command: func(string) []string { return []string{sdktest.Python, "-m", "unittest"} },
		env:     func(dir string) []string { return []string{"PYTHONPATH=" + dir, "PYTHONDONTWRITEBYTECODE=1"} },
		ran:     regexp.MustCompile(`(?m)^Ran (\d+) tests in`),
		skipped: regexp.MustCompile(`(?m)^OK \(`),
	},
}

// sdkTime is more than the slowest machine needs; an SDK may poll for ever.
const sdkTime = 10 * time.Minute

func nodeTests(dir string) []string {
	files, _ := filepath.Glob(filepath.Join(dir, "*.test.mjs")) // the pattern is well formed
	args := []string{"node", "--import", filepath.Join(dir, "resolve.mjs"), "--test", "--test-reporter=tap", "--test-concurrency=1"}
	return append(args, files...)
}

// TestOtherSDKs lets the vendor's SDKs for JavaScript and Python live a
// secret's whole life in every product, unmodified: they find a real gateway
// by its host names and verify its certificate and its challenge.
func TestOtherSDKs(t *testing.T) {
	t.Parallel()
	for language, s := range sdks {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			sdktest.Need(t, language)
			dir := sdktest.Copy(t, language)
			for kind := range products {
				t.Run(kind, func(t *testing.T) {
					t.Parallel()
					s.test(t, dir, newSDKWorld(t, kind))
				})
			}
		})
	}
}

func (s sdk) test(t *testing.T, dir string, w *sdkWorld) {
	t.Helper()
	args := s.command(dir)
	ctx, cancel := context.WithTimeout(t.Context(), sdkTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(s.env(dir), w.env(t)...)
	out, err := cmd.CombinedOutput()
	ran := s.ran.FindSubmatch(out)
	if err != nil || ran == nil || string(ran[1]) == "0" || s.skipped.Match(out) {
		t.Fatalf("%v\n%s", err, w.redact(string(out)))
	}
	t.Logf("%s tests", ran[1])
}

// sdkWorld is what the tests are told.
type sdkWorld struct {
	Vaults map[string]string `json:"vaults"` // URLs, by what they are for
	Tokens map[string]string `json:"tokens"` // for each
	Can    map[string]bool   `json:"can"`    // what the product does that others do not
	Limits map[string]int    `json:"limits"` // versions of a secret, days of retention
	// Identity is what the environment of a program has that uses a managed identity.
	Identity map[string]string `json:"identity"`
	ca       []byte
	login    map[string]string // the environment that logs in
}

// newSDKWorld starts a gateway with two stores of a product for every right,
// one of the same with purge protection, and beside them what refuses; one
// whose hosts share a store of the product; and one with a foreign challenge.
func newSDKWorld(t *testing.T, kind string) *sdkWorld {
	t.Helper()
	open := products[kind]
	one := open(t, "one")
	w := &sdkWorld{Vaults: map[string]string{}, Tokens: map[string]string{}, Can: map[string]bool{
		"keepDisabled": keepsDisabled(t, one),
		"ownRetention": kind == "azurekv", // that of its vault, which has the default
	}, Limits: map[string]int{"days": retentionDays(one.Capabilities()), "versions": cmp.Or(one.Capabilities().MaxVersions, 1000)}}
	g := w.add(t, gatewaytest.Options{
		Stores: []gateway.Store{
			{Name: "one", Kind: kind, Backend: one, Concurrency: 64},
			{Name: "two", Kind: kind, Backend: open(t, "two"), Concurrency: 64},
			{Name: "guarded", Kind: kind, Backend: open(t, "guarded"), RetentionDays: 7, PurgeProtection: true},
			{Name: "listed", Kind: "memory", Backend: products["memory"](t, "listed")},
			{Name: "readonly", Kind: "memory", Backend: products["memory"](t, "readonly"), ReadOnly: true},
		},
		Policy: []access.Rule{
			{Callers: []string{"*"}, Allow: []string{"*"}, Stores: []string{"one", "two", "guarded", "readonly"}, Names: []string{"*"}},
			{Callers: []string{"*"}, Allow: []string{"list"}, Stores: []string{"listed"}, Names: []string{"*"}},
		},
		MaxBlobs: 16,
	}, "one", "two", "guarded", "listed", "readonly", "nowhere")
	w.login, w.Identity = g.Environment(), g.IdentityEnvironment(t)
	w.Identity["client"] = g.ClientID
	w.add(t, gatewaytest.Options{
		Stores: []gateway.Store{{Name: "teams", Kind: kind, Backend: open(t, "teams"), Concurrency: 64}},
		Azure:  []azure.Route{{Host: "*.vault.localhost", Store: "teams", Prefix: "{1}/"}},
	}, "red", "blue", "green")
	w.add(t, gatewaytest.Options{Resource: "https://vault.azure.net"}, "foreign")
	return w
}

// add starts a gateway and tells of its vaults.
func (w *sdkWorld) add(t *testing.T, o gatewaytest.Options, vaults ...string) *gatewaytest.Gateway {
	t.Helper()
	g := gatewaytest.New(t, o)
	for _, v := range vaults {
		w.Vaults[v], w.Tokens[v] = g.VaultURL(v), g.Token
	}
	w.ca = append(w.ca, g.CAPEM...)
	return g
}

// keepsDisabled tells whether a disabled version moves without a loss that is
// refused.
func keepsDisabled(t *testing.T, b backends.Backend) bool {
	t.Helper()
	if _, err := b.Put(t.Context(), "probe", secret.Draft{Value: secret.TextValue("v"), Disabled: true}); err != nil {
		t.Fatal(err)
	}
	s, err := b.Export(t.Context(), "probe")
	if err != nil {
		t.Fatal(err)
	}
	return s.Newest().Missing == "" && secret.Worst(b.Forecast(s)) <= secret.Trace
}

// redact takes out what lets anybody in, for as long as the test runs.
func (w *sdkWorld) redact(out string) string {
	for _, token := range w.Tokens {
		out = strings.ReplaceAll(out, token, secret.Redacted)
	}
	return out
}

// env is the whole environment of the tests: nothing of ours reaches them.
func (w *sdkWorld) env(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	world, err := json.Marshal(w)
	if err == nil {
		err = os.WriteFile(ca, w.ca, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LANG=C.UTF-8",
		"WORLD=" + string(world), "NODE_EXTRA_CA_CERTS=" + ca, "REQUESTS_CA_BUNDLE=" + ca, "SSL_CERT_FILE=" + ca,
	}
	for name, value := range w.login {
		env = append(env, name+"="+value)
	}
	return env
}
