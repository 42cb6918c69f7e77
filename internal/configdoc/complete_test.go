package configdoc

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/internal/schematest"
)

var tags = regexp.MustCompile("`mapstructure:\"([a-z0-9_]+)\"")

// TestEveryKey: a key that stands in any source of the configuration is in the
// page and in the schema. It looks for tags in the text of the sources, so that
// it does not depend on what the generator sees.
func TestEveryKey(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	properties := schemaKeys(t)
	seen := 0
	for _, pattern := range []string{"../../config/*.go", "../../backends/*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range tags.FindAllStringSubmatch(string(b), -1) {
				seen++
				key := m[1]
				if !regexp.MustCompile(`(?m)^(\| .*[.\x60]` + key + `\x60 \||## ` + key + `(\[\])?$)`).Match(page) {
					t.Errorf("%s: the page does not know %s", file, key)
				}
				if !properties[key] {
					t.Errorf("%s: the schema does not know %s", file, key)
				}
			}
		}
	}
	if seen < 90 {
		t.Errorf("only %d keys were seen", seen)
	}
}

// schemaKeys are all keys of properties in the schema.
func schemaKeys(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile("../../config/schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	keys := map[string]bool{}
	var walk func(any)
	walk = func(in any) {
		switch v := in.(type) {
		case map[string]any:
			if p, ok := v["properties"].(map[string]any); ok {
				for key, inner := range p {
					_, isSchema := inner.(map[string]any)
					keys[key] = keys[key] || isSchema
				}
			}
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(tree)
	return keys
}

// TestEveryKeyIsDescribed: in one sentence or a few, that do not speak of Go.
func TestEveryKeyIsDescribed(t *testing.T) {
	t.Parallel()
	camel := regexp.MustCompile(`\b(CA|[A-Z][a-z]+)[A-Z][A-Za-z]+\b`)
	names := regexp.MustCompile("`[^`]*`|CyberArk|GitHub|GitLab|HashiCorp|OpenBao|OpenTelemetry|PostgreSQL")
	document(t).root.each(func(n *node) {
		if n.doc == "" {
			t.Errorf("%s is not described: its field wants a comment", n.path)
		}
		if word := camel.FindString(names.ReplaceAllString(n.doc, "")); word != "" {
			t.Errorf("%s: the comment speaks of %s, which is no key", n.path, word)
		}
		if body := n.body(); body != nil && body.about == "" {
			t.Errorf("%s: its struct wants a comment", n.path)
		}
	})
}

// federation has what no example shows but in a comment.
const federation = `{ server: { tls: { off: true } }, stores: [ { name: a, backend: huaweicsms, huaweicsms: {
  endpoint: "https://kms.example", project_id: "0123456789abcdef0123456789abcdef",
  credential: { kind: federation, idp_id: a, token_file: b, iam_endpoint: "https://iam.example" } } } ] }`

// TestRequired: without any key that the schema requires in an example, the
// loader and the schema refuse it.
func TestRequired(t *testing.T) {
	d := document(t)
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"federation": federation}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(b)
	}
	seen := map[string]bool{}
	for file, text := range texts {
		var tree map[string]any
		if err := yaml.Unmarshal([]byte(text), &tree); err != nil {
			t.Fatal(err)
		}
		without(d.root, tree, func(n *node) {
			seen[n.path] = true
			text, err := yaml.Marshal(tree)
			if err != nil {
				t.Fatal(err)
			}
			if schematest.Check(string(text)) == nil {
				t.Errorf("%s: the schema takes it without %s", file, n.path)
			}
			at := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(n.path), `\[\]`, `\[[0-9]+\]`) + "$")
			if problems := load(t, string(text)); !slices.ContainsFunc(problems, func(p config.Problem) bool { return at.MatchString(p.Path) }) {
				t.Errorf("%s: without %s the loader says %v", file, n.path, problems)
			}
		})
	}
	d.root.each(func(n *node) {
		if n.required && !seen[n.path] {
			t.Errorf("no example has %s, so nobody knows whether it is required", n.path)
		}
	})
}

// without takes each required key of n out of the tree in turn, and calls f.
func without(n *node, tree any, f func(*node)) {
	switch v := tree.(type) {
	case []any:
		for _, inner := range v {
			without(n.item, inner, f)
		}
	case map[string]any:
		for _, c := range n.children {
			inner, ok := v[c.key]
			if !ok {
				continue
			}
			if c.required {
				rest := maps.Clone(v)
				delete(v, c.key)
				f(c)
				maps.Copy(v, rest)
			}
			if c.kind == section || c.kind == list && c.item.kind == section {
				without(c, inner, f)
			}
		}
	}
}

// TestBadFiles: what the loader's own tests refuse for one key alone, the
// schema refuses too. The rest is named here.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../config/testdata/bad/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	beyond := []string{
		"weak.yaml",                                         // what a variable holds
		"server-more.yaml",                                  // a port that is none, and keys that exclude each other
		"not-yaml.yaml", "twice.yaml", "two-documents.yaml", // not one YAML document
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(file); !slices.Contains(beyond, name) && schematest.Check(string(b)) == nil {
			t.Errorf("%s: the schema takes it", name)
		}
	}
}
