package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/pages"
	"github.com/vaultferry/vaultferry/inventory"
)

// cutOver is a gateway whose team moves as docs/cutover.md tells.
type cutOver struct {
	*killWorld
	text  string // of the configuration
	at    string // where the gateway listens
	token string
}

const cutOverConfig = `server: { address: 127.0.0.1:0, tls: { off: true } }
keyring: { file: keyring.json }
audit: { file: audit.jsonl }
control: { socket: s }
stores:
  - { name: old, backend: bolt, bolt: { path: old.db } }
  - { name: new, backend: bolt, bolt: { path: new.db } }
dialects:
  azure:
    routes:
    - { host: red.vault.bank.example }
callers:
- { name: red-app, tokens: [ { file: token } ] }
policy:
- { callers: [red-app] }
`

// TestCutOver follows the page: each of its blocks is run as it stands, and after
// each step the team's application sees what the page promises.
func TestCutOver(t *testing.T) {
	text, err := os.ReadFile("../../docs/cutover.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "# A team's cut-over, step by step\n")
	section, _, ok := strings.Cut(section, "## Watch for drift")
	if !ok {
		t.Fatal("the page has no such section")
	}
	steps := regexp.MustCompile(`(?m)^\*\*[1-9]\. `).Split(section, -1)
	c := &cutOver{killWorld: &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}, text: cutOverConfig, token: hex.EncodeToString(inventory.NewKey().Reveal())}
	c.file(t, "token", c.token)
	c.do(t, steps[0])
	c.must(t, exitDone, "keys", "new", "--output-file", "keyring.json")
	c.at = c.serve(t, "vaultferry.yaml")
	c.put(t, "db", "one", http.StatusOK)
	c.put(t, "api", "first", http.StatusOK)
	for i, after := range []func(){
		func() { c.put(t, "db", "two", http.StatusOK) }, // moved, and written on
		func() { c.put(t, "db", "no", http.StatusForbidden); c.reads(t, "db", "two") },
		func() { c.reads(t, "db", "two") },
		func() {
			c.reads(t, "db", "two")
			c.reads(t, "api", "first")
			c.put(t, "db", "no", http.StatusForbidden)
		},
		func() {
			c.must(t, exitDone, "report", "verify", "red-delta.report", "red-delta.plan")
		},
		func() { c.put(t, "api", "second", http.StatusOK); c.put(t, "late", "new", http.StatusOK) },
		func() {
			c.reads(t, "api", "second")
			c.reads(t, "late", "new")
			c.put(t, "db", "three", http.StatusOK)
		},
	} {
		if len(steps) != 8 {
			t.Fatalf("the page has %d steps", len(steps)-1)
		}
		title, _, _ := strings.Cut(steps[i+1], "**")
		t.Run(title, func(t *testing.T) { c.do(t, steps[i+1]) })
		after()
	}
	for store, want := range map[string]string{"old": "three", "new": "two"} { // the route led there at last
		if got := c.must(t, exitDone, "get", store, "red/db"); got != want {
			t.Errorf("%s has %q, want %q", store, got, want)
		}
	}
	c.watch(t)
}

// do edits the configuration and runs the commands, in the order of the page.
func (c *cutOver) do(t *testing.T, step string) {
	t.Helper()
	blocks := pages.Blocks(step)
	if len(blocks) == 0 {
		t.Fatalf("nothing is to be done in %q", step)
	}
	for _, b := range blocks {
		for line := range strings.Lines(b.Text) {
			if b.Kind == "sh" {
				args := strings.Fields(strings.ReplaceAll(line, "'", ""))
				c.must(t, exitDone, args[1:]...)
				continue
			}
			about, _, _ := strings.Cut(line, ",") // what the line is about stays
			at := regexp.MustCompile("(?m)^" + regexp.QuoteMeta(about) + "(,.*| })\n")
			if !at.MatchString(c.text) {
				t.Fatalf("no line of the configuration is about %s", about)
			}
			c.text = at.ReplaceAllLiteralString(c.text, line)
			c.file(t, "vaultferry.yaml", c.text)
		}
	}
}

// watch runs what the timer of the page runs.
func (c *cutOver) watch(t *testing.T) {
	t.Helper()
	unit, err := os.ReadFile("../../examples/vaultferry-verify.service")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^ExecStart=/usr/local/bin/vaultferry (.*)$`).FindSubmatch(unit)
	if m == nil {
		t.Fatal("the unit starts something else")
	}
	settings, err := os.ReadFile("../../examples/vaultferry.default")
	if err != nil {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`(?m)^#VERIFY_FLAGS=(.*)$`).FindSubmatch(settings)
	if flags == nil {
		t.Fatal("no metrics are offered")
	}
	metrics := filepath.Join(c.dir, "verify.prom")
	line := strings.NewReplacer("${PLAN}", "red-back.plan", "/etc/vaultferry/", "", "$VERIFY_FLAGS", string(flags[1])).Replace(string(m[1]))
	args := strings.Fields(strings.ReplaceAll(line, "/var/lib/node_exporter/vaultferry-verify.prom", metrics))
	c.must(t, exitDifferent, args...) // db was written since
	b, err := os.ReadFile(metrics)
	for _, line := range []string{
		`{plan="red-back.plan",result="different",source="new",target="old"} 1`, `{plan="red-back.plan",result="same",source="new",target="old"} 2`,
		"\nvaultferry_migrate_verify_timestamp_seconds{",
	} {
		if err != nil || !strings.Contains(string(b), line) {
			t.Errorf("the metrics lack %s: %v\n%s", line, err, b)
		}
	}
}

// ask is a request of the team's application.
func (c *cutOver) ask(t *testing.T, method, name, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, "http://"+c.at+"/secrets/"+name+"?api-version=7.4", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "red.vault.bank.example"
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", "application/json")
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func (c *cutOver) put(t *testing.T, name, value string, want int) {
	t.Helper()
	if got, said := c.ask(t, http.MethodPut, name, fmt.Sprintf(`{"value":%q}`, value)); got != want {
		t.Errorf("a write of %s: %d, want %d: %s", name, got, want, said)
	}
}

func (c *cutOver) reads(t *testing.T, name, value string) {
	t.Helper()
	if got, said := c.ask(t, http.MethodGet, name, ""); got != http.StatusOK || !strings.Contains(said, fmt.Sprintf(`"value":%q`, value)) {
		t.Errorf("a read of %s: %d: %s", name, got, said)
	}
}
