// Package configdoc makes docs/configuration.md and config/schema.json from the
// structs of the configuration and their comments, so that a key is described
// in one place. Its test fails where either is stale.
package configdoc

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/config"
	"github.com/vaultferry/vaultferry/secret"
)

// kind is what a key takes.
type kind string

const (
	section  kind = "section"
	list     kind = "list"
	text     kind = "text"
	boolean  kind = "boolean"
	number   kind = "number"
	size     kind = "size"
	duration kind = "duration"
	date     kind = "date"
	secrets  kind = "secret"
	bearer   kind = "token"
	word     kind = "word" // text, or the number that it spells
	mapping  kind = "texts by name"
)

// node is one key, or what stands in a list.
type node struct {
	key, path string // path: "stores[].bolt.path"
	kind      kind
	file      bool // a path, relative to the configuration
	doc       string
	about     string // of a section: what its struct is
	def       any    // as in JSON; nil: none
	defWords  string // where the code has no default
	example   string // YAML
	required  bool
	choices   []string
	min, max  string
	pattern   string

	children   []*node // of a section
	item       *node   // of a list
	exactlyOne []string
	atMostOne  []string
	must, may  map[string][]string // by kind; see the backends' Needs
	variants   []string            // children of which the key backend picks one
}

// What a struct may say of its keys beside the tags.
type (
	chooser  interface{ Choices() map[string][]string }
	excluder interface{ ExactlyOne() []string }
	sparer   interface{ AtMostOne() []string }
	needer   interface {
		Needs() (must, may map[string][]string)
	}
	defaulter interface{ SetDefaults() }
	patterned interface{ Pattern() string }
)

// Document is the whole configuration.
type Document struct {
	root *node
}

// New reads the comments in the sources of the module at root.
func New(root string, kinds backends.Registry) (*Document, error) {
	b := builder{comments: comments{root: root, packages: map[string]map[string]remark{}}, kinds: kinds}
	n := &node{kind: section}
	if err := b.section(n, reflect.ValueOf(config.Default())); err != nil {
		return nil, err
	}
	return &Document{root: n}, nil
}

type builder struct {
	comments comments
	kinds    backends.Registry
}

// section fills n from a pointer to a struct that holds its defaults.
func (b *builder) section(n *node, ptr reflect.Value) error {
	t := ptr.Type().Elem()
	said, err := b.comments.of(t)
	if err != nil {
		return err
	}
	n.about = said.text
	var choices map[string][]string
	if c, ok := ptr.Interface().(chooser); ok {
		choices = c.Choices()
	}
	if c, ok := ptr.Interface().(needer); ok {
		n.must, n.may = c.Needs()
		choices = map[string][]string{"kind": slices.Sorted(maps.Keys(n.must))}
	}
	if e, ok := ptr.Interface().(excluder); ok {
		n.exactlyOne = e.ExactlyOne()
	}
	if e, ok := ptr.Interface().(sparer); ok {
		n.atMostOne = e.AtMostOne()
	}
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("mapstructure")
		switch {
		case !f.IsExported() || key == "-":
			continue
		case key == ",squash":
			if err := b.shared(n, ptr.Elem().Field(i)); err != nil {
				return err
			}
			continue
		case key == ",remain":
			if err := b.variants(n); err != nil {
				return err
			}
			continue
		}
		child := tagged(n, key, f.Tag)
		child.doc, child.choices = said.fields[f.Name], choices[key]
		if err := b.value(child, ptr.Elem().Field(i)); err != nil {
			return err
		}
		n.children = append(n.children, child)
	}
	return nil
}

// shared adds the keys of a struct that stands in several.
func (b *builder) shared(n *node, v reflect.Value) error {
	ptr := reflect.New(v.Type())
	ptr.Elem().Set(v)
	inner := &node{path: n.path}
	err := b.section(inner, ptr)
	n.children = append(n.children, inner.children...)
	return err
}

func tagged(parent *node, key string, tag reflect.StructTag) *node {
	path := key
	if parent.path != "" {
		path = parent.path + "." + key
	}
	return &node{
		key: key, path: path, file: tag.Get("path") == "true", example: tag.Get("example"),
		required: tag.Get("required") == "true", min: tag.Get("min"), max: tag.Get("max"), defWords: tag.Get("default"),
	}
}

// value fills n from its default.
func (b *builder) value(n *node, v reflect.Value) error {
	switch x := v.Interface().(type) {
	case secret.Value:
		n.kind = secrets
		return nil
	case config.Token:
		n.kind = bearer
		return nil
	case config.Size:
		n.kind, n.def = size, x.String()
	case time.Duration:
		n.kind, n.def = duration, x.String()
	case config.Date:
		n.kind, n.pattern = date, x.Pattern()
		return nil
	}
	if p, ok := v.Interface().(patterned); ok {
		n.pattern = p.Pattern()
	}
	if n.kind != "" {
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		return b.value(n, reflect.New(v.Type().Elem()).Elem())
	case reflect.Struct:
		n.kind = section
		ptr := reflect.New(v.Type())
		ptr.Elem().Set(v)
		fill(ptr)
		return b.section(n, ptr)
	case reflect.Slice:
		n.kind = list
		n.item = &node{path: n.path + "[]", choices: n.choices}
		n.choices = nil
		return b.value(n.item, reflect.New(v.Type().Elem()).Elem())
	case reflect.Map:
		n.kind = mapping
		return nil
	}
	return scalar(n, v)
}

func scalar(n *node, v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		n.kind = text
		if v.String() != "" {
			n.def = v.String()
		}
	case reflect.Bool:
		n.kind, n.def = boolean, v.Bool()
	case reflect.Int:
		n.kind, n.def = number, v.Int()
	case reflect.Interface:
		n.kind = word
	default:
		return fmt.Errorf("configdoc: %s has the type %s, which nobody has described", n.path, v.Type())
	}
	return nil
}

func fill(ptr reflect.Value) {
	if d, ok := ptr.Interface().(defaulter); ok {
		d.SetDefaults()
	}
}

// variants adds the sections of the backends to n, a store.
func (b *builder) variants(n *node) error {
	n.variants = b.kinds.Kinds()
	for _, c := range n.children {
		if c.key == "backend" {
			c.choices = n.variants
		}
	}
	for _, kind := range n.variants {
		d, err := b.kinds.Find(kind)
		if err != nil {
			return err
		}
		var taken taker
		if err := d.Check(&taken); !errors.Is(err, errTaken) {
			return fmt.Errorf("configdoc: backend %s: %w", kind, err)
		}
		child := tagged(n, kind, "")
		child.kind = section
		if err := b.section(child, reflect.ValueOf(taken.into)); err != nil {
			return err
		}
		child.doc = child.about
		n.children = append(n.children, child)
	}
	return nil
}

// taker is a section that keeps what its driver wants it decoded into, which
// holds the defaults.
type taker struct{ into any }

var errTaken = errors.New("taken")

// Decode implements backends.Section.
func (t *taker) Decode(into any) error {
	t.into = into
	return errTaken
}

// each calls f for every key below n, in order.
func (n *node) each(f func(*node)) {
	for _, c := range n.children {
		f(c)
		c.each(f)
	}
	if n.item != nil {
		n.item.each(f)
	}
}

// needsSection reports whether a store without this section of its backend is
// refused.
func (n *node) needsSection() bool {
	return len(n.exactlyOne) > 0 || slices.ContainsFunc(n.children, func(c *node) bool { return c.required })
}

// sample is the example, or what the rest says of one. Empty: there is none.
func (n *node) sample() string {
	switch {
	case n.example != "":
		return n.example
	case n.kind == section:
		return n.sectionSample()
	case n.kind == list:
		return "[ " + n.item.sample() + " ]"
	case n.kind == boolean:
		return fmt.Sprint(n.def != true)
	case n.kind == secrets:
		return "{ env: " + strings.ToUpper(n.key) + " }"
	case len(n.choices) > 0:
		i := slices.IndexFunc(n.choices, func(s string) bool { return s != n.def })
		return n.choices[max(i, 0)]
	}
	return ""
}

// sectionSample holds the least that is needed, or else the first key.
func (n *node) sectionSample() string {
	var keys []string
	for i, c := range n.children {
		first := len(n.exactlyOne) > 0 && c.key == n.exactlyOne[0]
		none := i == len(n.children)-1 && keys == nil
		switch {
		case c.required, first:
			keys = append(keys, c.key+": "+c.sample())
		case none:
			keys = append(keys, n.children[0].key+": "+n.children[0].sample())
		}
	}
	return "{ " + strings.Join(keys, ", ") + " }"
}
