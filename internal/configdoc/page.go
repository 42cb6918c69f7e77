package configdoc

import (
	"fmt"
	"slices"
	"strings"
)

// intro is what holds for every key.
const intro = `# Configuration

Written by ` + "`make golden`" + ` from the program's own structs; a test fails where it is stale.

The gateway reads one YAML file: ` + "`--config FILE`, else `$VAULTFERRY_CONFIG`, else `./vaultferry.yaml`" + `. ` + "`vaultferry init`" + `
writes one to change, [examples](../examples) show others, and ` + "`vaultferry check`" + ` names every problem of a file at once.

- **Unknown keys are errors**, and so is a value of the wrong type. YAML reads an unquoted ` + "`0123`, `true` or `2026-01-31`" + ` as a
  number, a boolean or a date: quote it where text is wanted.
- **Environment variables override** single values that are in no list: ` + "`VAULTFERRY_SERVER_ADDRESS` is `server.address`" + `,
  ` + "`VAULTFERRY_SERVER_TLS_OFF` is `server.tls.off`" + `. Stores, routes, callers, groups and the policy come from the file alone.
  An empty variable overrides nothing, and ` + "`vaultferry check`" + ` warns of one that is misspelt.
- **A secret is never in the file.** It is ` + "`{ env: NAME }`, an environment variable, or `{ file: PATH }`" + `, a file of at most 1 MiB;
  a line end behind it is dropped. The gateway reads both when it starts, files at a reload too, and warns if others than its owner can read a file.
- **Files may come from any editor.** Text may begin with a byte order mark, be UTF-16 with one, as ` + "`>`" + ` of Windows PowerShell
  writes, and have line ends of Windows. Certificates and keys are PEM, the chain behind the certificate, the key without a passphrase.
- **Relative paths** are relative to the configuration file, not to the current folder.
- **A size** is a number of bytes or has a unit: ` + "`1048576`, `64MiB`, `10MB`" + `. **A duration** has units: ` + "`30s`, `1m30s`, `250ms`" + `.
- **A change counts after ` + "`vaultferry reload`" + `**, which [changes all of it or nothing](operating.md#changes-without-a-stop), and where it is
  one of listeners, of the audit or of an open file, after a restart.

## Help in editors

The same keys are in a JSON Schema, [config/schema.json](../config/schema.json). ` + "`vaultferry init`" + ` writes it beside the
configuration as ` + "`vaultferry.schema.json`" + `, and the configuration's first line points to it, so that an editor with YAML's
language server completes keys and marks mistakes, offline and in the version of the program at hand:

` + "```yaml\n# yaml-language-server: $schema=./vaultferry.schema.json\n```" + `

After an upgrade, ` + "`vaultferry init --schema-only`" + ` replaces that file. The schema knows keys, types, words and bounds. What ties
several keys together, such as the name of a store in a route, only ` + "`vaultferry check`" + ` knows.
`

// Page is docs/configuration.md.
func (d *Document) Page() string {
	var b strings.Builder
	b.WriteString(intro)
	for _, c := range d.root.children {
		c.heading(&b, 2)
	}
	return b.String()
}

// body is the section that a key opens, if any: its own, or that of its items.
func (n *node) body() *node {
	switch {
	case n.kind == section:
		return n
	case n.kind == list && n.item.kind == section:
		return n.item
	}
	return nil
}

// apart reports whether a section has a heading of its own: inside another's
// table it would hide the rest.
func (n *node) apart() bool {
	b := n.body()
	return b != nil && (len(b.children) > 3 || b.must != nil || slices.ContainsFunc(b.children, (*node).apart) || n.variant())
}

// variant reports whether n is the section of a backend in a store.
func (n *node) variant() bool {
	rest, ok := strings.CutPrefix(n.path, "stores[].")
	return ok && n.kind == section && rest == n.key
}

func (n *node) heading(b *strings.Builder, level int) {
	body := n.body()
	if body == nil {
		fmt.Fprintf(b, "\n%s %s\n\n%s It is a %s.\n\n```yaml\n%s: %s\n```\n", strings.Repeat("#", level), n.path, ended(n.doc), n.typeWords(), n.key, n.sample())
		return
	}
	fmt.Fprintf(b, "\n%s %s\n\n%s", strings.Repeat("#", level), body.path, ended(body.about))
	if n.kind == list {
		fmt.Fprintf(b, " `%s` is a list.", n.path)
	}
	b.WriteString("\n")
	if body.exactlyOne != nil {
		fmt.Fprintf(b, "\nExactly one of %s must be given.\n", codes(body.exactlyOne, " and "))
	}
	if body.atMostOne != nil {
		fmt.Fprintf(b, "\nOne of %s may be given.\n", codes(body.atMostOne, " or "))
	}
	if level == 2 {
		fmt.Fprintf(b, "\n```yaml\n%s: %s\n```\n", n.key, n.sample())
	}
	b.WriteString("\n| key | type | default | what it is | example |\n|---|---|---|---|---|\n")
	for _, c := range body.children {
		c.rows(b, body.path+".")
	}
	body.needsTable(b)
	for _, c := range body.children {
		if c.apart() {
			c.heading(b, min(level+1, 4))
		}
	}
}

// rows are those of a key and, where they have no heading of their own, of the
// keys in it.
func (n *node) rows(b *strings.Builder, prefix string) {
	example := ""
	if sample := n.sample(); sample != "" {
		example = "`" + n.key + ": " + sample + "`"
	}
	doc := ended(n.doc)
	if n.apart() {
		doc += fmt.Sprintf(" See [%s](#%s).", n.body().path, anchor(n.body().path))
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", strings.TrimPrefix(n.path, prefix), n.typeWords(), n.defaultWords(), cell(doc), cell(example))
	if body := n.body(); body != nil && !n.apart() {
		for _, c := range body.children {
			c.rows(b, prefix)
		}
		if body.exactlyOne != nil {
			last := "exactly one of " + codes(body.exactlyOne, " and ")
			fmt.Fprintf(b, "| | | | In `%s`, %s must be given. | |\n", strings.TrimPrefix(body.path, prefix), last)
		}
	}
}

// mostChoices are as many words as a cell of a table names.
const mostChoices = 20

func (n *node) typeWords() string {
	switch {
	case n.kind == list && n.body() != nil:
		return "list of sections"
	case n.kind == list && len(n.item.choices) > mostChoices:
		return "list of words"
	case n.kind == list && n.item.choices != nil:
		return "list of any of " + codes(n.item.choices, ", ")
	case n.kind == list && n.item.kind == bearer:
		return "list of tokens"
	case n.kind == list:
		return "list of " + n.item.typeWords()
	case n.choices != nil:
		return "one of " + codes(n.choices, ", ")
	case n.file:
		return "path"
	}
	words := map[kind]string{boolean: "true or false", number: "whole number"}[n.kind]
	if words == "" {
		words = string(n.kind)
	}
	switch {
	case n.max != "":
		words += ", " + n.min + " to " + n.max
	case n.min != "" && n.min != "0":
		words += ", at least " + n.min
	}
	return words
}

func (n *node) defaultWords() string {
	switch {
	case n.required:
		return "**required**"
	case n.defWords != "":
		return cell(n.defWords)
	case n.def != nil:
		return fmt.Sprintf("`%v`", n.def)
	}
	return ""
}

// needsTable says which keys go with which kind.
func (n *node) needsTable(b *strings.Builder) {
	if n.must == nil {
		return
	}
	b.WriteString("\n| kind | needs | may have |\n|---|---|---|\n")
	for _, c := range n.children {
		if c.key != "kind" {
			continue
		}
		for _, kind := range c.choices {
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", kind, codes(n.must[kind], ", "), codes(n.may[kind], ", "))
		}
	}
}

func codes(words []string, sep string) string {
	if len(words) == 0 {
		return ""
	}
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = "`" + w + "`"
	}
	last := len(quoted) - 1
	if last == 0 {
		return quoted[0]
	}
	return strings.Join(quoted[:last], ", ") + sep + quoted[last]
}

func ended(s string) string {
	if s == "" || strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}

// cell keeps text within its cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

// anchor is the one that a heading gets.
func anchor(heading string) string {
	return strings.NewReplacer(".", "", "[", "", "]", "").Replace(heading)
}
