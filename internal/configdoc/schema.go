package configdoc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/vaultferry/vaultferry/config"
)

// object is a JSON object; its keys are written sorted.
type object = map[string]any

// durationPattern is what time.ParseDuration reads and is not negative.
const durationPattern = `^\+?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`

// Schema is the JSON Schema of a configuration file. It knows keys, types,
// words and bounds; what ties several keys together, vaultferry check knows.
func (d *Document) Schema() ([]byte, error) {
	s, err := d.root.schema()
	if err != nil {
		return nil, err
	}
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Configuration of vaultferry"
	s["$defs"] = defs()
	s["type"] = "object"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("configdoc: %w", err)
	}
	return b.Bytes(), nil
}

// defs are the types that are no more than a reference.
func defs() object {
	env := object{"type": "string", "minLength": 1, "description": "The environment variable that holds the secret."}
	file := object{"type": "string", "minLength": 1, "description": "The file that holds the secret, relative to the configuration."}
	hash := object{"type": "string", "pattern": "^[0-9A-Fa-f]{64}$", "description": "The SHA-256 of the token, in hex."}
	ref := func(words object) object {
		return object{"type": "object", "properties": words, "additionalProperties": false, "minProperties": 1, "maxProperties": 1}
	}
	token := object{"type": "object", "additionalProperties": false, "oneOf": []object{{"required": []string{"env"}}, {"required": []string{"file"}}, {"required": []string{"sha256"}}}}
	token["properties"] = object{
		"env": env, "file": file, "sha256": hash,
		"name":      object{"type": "string", "minLength": 1, "description": "What the audit calls the token."},
		"expires":   object{"type": "string", "pattern": config.Date{}.Pattern(), "description": "When the token ends."},
		"addresses": object{"type": []string{"array", "null"}, "items": object{"type": "string"}, "description": "The addresses and networks from which it may be used."},
	}
	return object{
		"secret":   ref(object{"env": env, "file": file}),
		"token":    token,
		"duration": object{"type": "string", "pattern": durationPattern},
	}
}

// schema of a key. An empty section or list is null in YAML, and allowed.
func (n *node) schema() (object, error) {
	s := object{}
	switch n.kind {
	case section:
		if err := n.sectionSchema(s); err != nil {
			return nil, err
		}
	case list:
		items, err := n.item.schema()
		if err != nil {
			return nil, err
		}
		s["type"], s["items"] = []string{"array", "null"}, items
		if n.required {
			s["type"], s["minItems"] = "array", 1
		}
	case secrets, bearer, duration:
		s["$ref"] = "#/$defs/" + string(n.kind)
	case date:
		s["type"], s["pattern"] = "string", n.pattern
	case word:
		s["enum"] = n.spelled()
	case size:
		s["anyOf"] = []object{n.bounded(object{"type": "integer"}), {"type": "string", "pattern": n.pattern}}
	case number:
		s = n.bounded(object{"type": "integer"})
	case mapping:
		s["type"], s["additionalProperties"] = []string{"object", "null"}, object{"type": "string", "minLength": 1}
		s["propertyNames"] = object{"pattern": n.pattern}
	case boolean:
		s["type"] = "boolean"
	case text:
		s["type"] = "string"
		if n.required {
			s["minLength"] = 1
		}
	}
	return s, n.annotate(s)
}

func (n *node) annotate(s object) error {
	if len(n.choices) > 0 && n.kind == text {
		s["enum"] = n.choices
	}
	if n.doc != "" {
		s["description"] = n.doc
	}
	if n.def != nil {
		s["default"] = n.def
	}
	if sample := n.sample(); sample != "" && n.key != "" {
		var v any
		if err := yaml.Unmarshal([]byte(sample), &v); err != nil {
			return fmt.Errorf("configdoc: the example of %s: %w", n.path, err)
		}
		s["examples"] = []any{v}
	}
	return nil
}

func (n *node) bounded(s object) object {
	for word, text := range map[string]string{"minimum": n.min, "maximum": n.max} {
		if limit, err := config.ParseSize(text); err == nil {
			s[word] = int64(limit)
		}
	}
	return s
}

// spelled are the words, and the numbers among them as YAML reads them.
func (n *node) spelled() []any {
	var all []any
	for _, w := range n.choices {
		all = append(all, w)
		if i, err := strconv.Atoi(w); err == nil {
			all = append(all, i)
		}
	}
	return all
}

func (n *node) sectionSchema(s object) error {
	keys := object{}
	var required []string
	for _, c := range n.children {
		inner, err := c.schema()
		if err != nil {
			return err
		}
		keys[c.key] = inner
		if c.required {
			required = append(required, c.key)
		}
	}
	s["type"], s["properties"], s["additionalProperties"] = []string{"object", "null"}, keys, false
	if len(required) > 0 {
		s["required"] = required
	}
	if len(required) > 0 || n.path != "" && n.path[len(n.path)-1] == ']' {
		s["type"] = "object"
	}
	var one []object
	for _, key := range n.exactlyOne {
		one = append(one, object{"required": []string{key}})
	}
	if one != nil {
		s["oneOf"] = one
	}
	var two []object
	for i, key := range n.atMostOne {
		for _, other := range n.atMostOne[i+1:] {
			two = append(two, object{"required": []string{key, other}})
		}
	}
	if two != nil {
		s["not"] = object{"anyOf": two}
	}
	if rules := append(n.variantRules(), n.needRules()...); rules != nil {
		s["allOf"] = rules
	}
	return nil
}

// variantRules say which section goes with which backend.
func (n *node) variantRules() []object {
	var rules []object
	for _, kind := range n.variants {
		others := object{}
		then := object{"properties": others}
		for _, c := range n.children {
			switch {
			case c.key == kind && c.needsSection():
				then["required"] = []string{kind}
			case c.key != kind && slices.Contains(n.variants, c.key):
				others[c.key] = false
			}
		}
		rules = append(rules, when("backend", kind, true, then))
	}
	return rules
}

// needRules say which keys go with which kind.
func (n *node) needRules() []object {
	var rules []object
	for _, c := range n.children {
		if c.key != "kind" || n.must == nil {
			continue
		}
		for _, kind := range c.choices {
			others := object{}
			for _, o := range n.children {
				if o.key != "kind" && !slices.Contains(n.must[kind], o.key) && !slices.Contains(n.may[kind], o.key) {
					others[o.key] = false
				}
			}
			then := object{"properties": others}
			if len(n.must[kind]) > 0 {
				then["required"] = n.must[kind]
			}
			rules = append(rules, when("kind", kind, kind != c.def, then))
		}
	}
	return rules
}

// when is then, if the key holds the word; unless given, also if it is absent.
func when(key, word string, given bool, then object) object {
	is := object{"properties": object{key: object{"const": word}}}
	if given {
		is["required"] = []string{key}
	}
	return object{"if": is, "then": then}
}
