package configdoc

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/internal/schematest"
)

var variable = regexp.MustCompile(`env: "?([A-Z_]+)`)

// load returns the problems of a configuration.
func load(t *testing.T, text string) []config.Problem {
	t.Helper()
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		sum := sha256.Sum256([]byte(m[1])) // as strong as a real one
		t.Setenv(m[1], hex.EncodeToString(sum[:]))
	}
	file := filepath.Join(t.TempDir(), "vaultferry.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := config.Load(file, all.Registry())
	var bad *config.Error
	if err != nil && !errors.As(err, &bad) {
		t.Fatal(err)
	}
	if bad == nil {
		return nil
	}
	return bad.Problems
}

// wrong is the least configuration with one fault each.
var wrong = map[string]string{
	"unknown key":            `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory } ], serve: {} }`,
	"unknown key inside":     `{ server: { tls: { off: true, of: true } }, stores: [ { name: a, backend: memory } ] }`,
	"unknown key of a store": `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory, memory: { size: 1 } } ] }`,
	"another's section":      `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory, bolt: { path: a.db } } ] }`,
	"no section":             `{ server: { tls: { off: true } }, stores: [ { name: a, backend: bolt } ] }`,
	"text for a number":      `{ server: { tls: { off: true }, max_blobs: many }, stores: [ { name: a, backend: memory } ] }`,
	"number for text":        `{ server: { tls: { off: true } }, stores: [ { name: 17, backend: memory } ] }`,
	"list for a section":     `{ server: [], stores: [ { name: a, backend: memory } ] }`,
	"section for a list":     `{ server: { tls: { off: true } }, stores: { name: a, backend: memory } }`,
	"wrong word":             `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory, on_loss: ignore } ] }`,
	"wrong backend":          `{ server: { tls: { off: true } }, stores: [ { name: a, backend: paper } ] }`,
	"wrong action":           `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory } ], policy: [ { callers: [a], allow: [read], stores: [a], names: [a] } ] }`,
	"too small":              `{ server: { tls: { off: true }, max_blobs: 0 }, stores: [ { name: a, backend: memory } ] }`,
	"size too small":         `{ server: { tls: { off: true }, max_body: 1024 }, stores: [ { name: a, backend: memory } ] }`,
	"too large":              `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory, retention_days: 91 } ] }`,
	"no duration":            `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory, timeout: 30 } ] }`,
	"no size":                `{ server: { tls: { off: true }, max_body: lots }, stores: [ { name: a, backend: memory } ] }`,
	"secret in clear":        `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory } ], callers: [ { name: a, access_keys: [ { id: A, secret: x } ] } ] }`,
	"secret of two places":   `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory } ], callers: [ { name: a, access_keys: [ { id: A, secret: { env: A, file: b } } ] } ] }`,
	"token in clear":         `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory } ], callers: [ { name: a, tokens: [ x ] } ] }`,
	"no store":               `{ server: { tls: { off: true } }, stores: [] }`,
	"two logins":             `{ server: { tls: { off: true } }, stores: [ { name: a, backend: hashivault, hashivault: { address: "http://a", token: { env: A }, cert: {} } } ] }`,
	"no login":               `{ server: { tls: { off: true } }, stores: [ { name: a, backend: hashivault, hashivault: { address: "http://a" } } ] }`,
	"wrong kv":               `{ server: { tls: { off: true } }, stores: [ { name: a, backend: hashivault, hashivault: { address: "http://a", token: { env: A }, kv: 3 } } ] }`,
	"key of another kind":    `{ server: { tls: { off: true } }, stores: [ { name: a, backend: azurekv, azurekv: { vault_url: "https://a.vault.azure.net", credential: { kind: cli, client_id: a } } } ] }`,
	"key of no kind":         `{ server: { tls: { off: true } }, stores: [ { name: a, backend: azurekv, azurekv: { vault_url: "https://a.vault.azure.net", credential: { client_id: a } } } ] }`,
	"kind without its key":   `{ server: { tls: { off: true } }, stores: [ { name: a, backend: azurekv, azurekv: { vault_url: "https://a.vault.azure.net", credential: { kind: workload_identity, client_id: a, tenant_id: b } } } ] }`,
}

// TestBothRefuse: one fault, and neither the loader nor the schema takes it.
func TestBothRefuse(t *testing.T) {
	sound := `{ server: { tls: { off: true } }, stores: [ { name: a, backend: memory } ] }`
	if p, err := load(t, sound), schematest.Check(sound); p != nil || err != nil {
		t.Fatalf("without a fault: %v, %v", p, err)
	}
	for what, text := range wrong {
		if load(t, text) == nil {
			t.Errorf("%s: the loader takes it", what)
		}
		if schematest.Check(text) == nil {
			t.Errorf("%s: the schema takes it", what)
		}
	}
}

// TestBothTake: what the loader's own tests take, the schema takes.
func TestBothTake(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../config/testdata/good/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schematest.Check(string(b)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
	empty := "server: { tls: { off: true } }\nstores: [ { name: a, backend: memory, memory: } ]\ndialects: { azure: }\ncallers:\npolicy:\n"
	if err := schematest.Check(empty); err != nil {
		t.Errorf("empty sections: %v", err)
	}
}

// TestExamples: the loader and the schema take the example of every key.
func TestExamples(t *testing.T) {
	d := document(t)
	n := 0
	var walk func(at *node, wrap func(string) string)
	walk = func(at *node, wrap func(string) string) {
		if at.kind == list {
			inner := wrap
			wrap = func(s string) string { return inner("[ " + s + " ]") }
			at = at.item
		}
		for _, c := range at.children {
			inner := func(s string) string {
				if c.variant() {
					return wrap("{ name: payments, backend: " + c.key + ", " + c.key + ": " + s + " }")
				}
				return wrap("{ " + c.key + ": " + s + " }")
			}
			n++
			checkExample(t, c, inner(c.sample()))
			walk(c, inner)
		}
	}
	walk(d.root, func(s string) string { return s })
	if n < 90 {
		t.Errorf("only %d keys were seen", n)
	}
}

// elsewhere are problems of other keys than the one they are said of.
var elsewhere = regexp.MustCompile("^does nothing with|^needs tls.cert_file|^there is no issuer")

// checkExample looks for problems of the key alone, in a configuration that
// holds no more than it must.
func checkExample(t *testing.T, n *node, text string) {
	t.Helper()
	if n.sample() == "" {
		t.Errorf("%s has no example: give its field a tag example", n.path)
		return
	}
	s, err := n.schema()
	if err != nil {
		t.Fatal(err)
	}
	s["$defs"] = defs()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := schematest.Compile(string(b))
	if err != nil {
		t.Fatalf("%s: %v", n.path, err)
	}
	if err := schematest.CheckBy(compiled, n.sample()); err != nil {
		t.Errorf("%s: the example %s: %v", n.path, n.sample(), err)
	}
	text = strings.TrimSuffix(text, " }")
	for key, more := range map[string]string{"stores": "[ { name: payments, backend: memory } ]", "archive": "{ dir: archive }"} {
		if !strings.HasPrefix(text, "{ "+key+":") {
			text += fmt.Sprintf(", %s: %s", key, more)
		}
	}
	at := strings.ReplaceAll(n.path, "[]", "[0]")
	for _, p := range load(t, text+" }") {
		if (p.Path == at || strings.HasPrefix(p.Path, at+".") || p.Path == "") && !elsewhere.MatchString(p.Message) {
			t.Errorf("%s: the example %s: %s", n.path, n.sample(), p)
		}
	}
}

// TestDurations: the pattern takes what the loader's parser takes.
func TestDurations(t *testing.T) {
	t.Parallel()
	p := regexp.MustCompile(durationPattern)
	for _, s := range []string{"30s", "1m30s", "250ms", "1.5h", ".5s", "1.s", "0", "+3s", "-3s", "", "30", "s", "1d", "3 s", "3s x", "1h2", "5µs", "."} {
		d, err := time.ParseDuration(s)
		if want := err == nil && d >= 0; p.MatchString(s) != want {
			t.Errorf("%q: the loader takes it: %t, the schema: %t", s, want, !want)
		}
	}
	sizes := regexp.MustCompile(config.Size(0).Pattern())
	for _, s := range []string{"0", "12", "1KiB", "64MiB", "2 GiB", "5MB", "7B", "3kB", "", "MiB", "-1", "1.5MiB", "12 apples", "+4", "4 ", "4K"} {
		_, err := config.ParseSize(s)
		if want := err == nil; sizes.MatchString(s) != want {
			t.Errorf("%q: the loader takes it: %t, the schema: %t", s, want, !want)
		}
	}
}
