package config

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/secret"
)

// maxFile bounds a configuration file.
const maxFile = 4 << 20

// Load reads the file, lets the environment override its scalars, and checks
// everything. An *Error lists all that is wrong; otherwise the configuration
// is sound, and what is merely worth saying comes beside it (also beside an
// error).
func Load(path string, kinds backends.Registry) (*Config, []Problem, error) {
	return load(path, kinds, func(Problem) bool { return false })
}

// LoadUnresolved is Load for whoever does not need every secret of the file: a
// reference that leads to none is no problem yet. The configuration then lacks
// what it stands for; Config.CheckStore tells whether a store can be opened.
// Danger: nobody must be served with it.
func LoadUnresolved(path string, kinds backends.Registry) (*Config, []Problem, error) {
	return load(path, kinds, func(p Problem) bool { return p.unresolved })
}

// Unresolved reports whether the key refers to a secret that is not there, which
// LoadUnresolved let pass.
func (c *Config) Unresolved(key string) bool {
	_, yes := c.unresolved[key]
	return yes
}

func load(path string, kinds backends.Registry, passed func(Problem) bool) (*Config, []Problem, error) {
	raw, err := readFile(path)
	if err != nil {
		return nil, nil, &Error{File: path, Problems: []Problem{{Severity: Bad, Message: secret.WithoutPath(err).Error()}}}
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, nil, fmt.Errorf("config: %w", err)
	}
	if d := ownfile.Look(path); d != nil && d.Sure { // a group, or whoever owns it, is meant to
		return nil, nil, &Error{File: path, Problems: []Problem{{Severity: Bad, Message: d.What}}}
	}
	c, said, err := parsePassing(path, dir, raw, kinds, passed)
	named := ""
	if c != nil {
		named = c.Keyring.Env
	}
	return c, append(said, misspelt(os.Environ(), raw, named)...), err
}

// misspelt tells the variables that look like those of a key and are of none,
// but for those that the configuration names and those that Kubernetes sets.
func misspelt(environ []string, raw []byte, named string) []Problem {
	known := map[string]bool{named: true}
	for _, key := range scalars(reflect.TypeFor[Config](), "") {
		known[variable(key)] = true
	}
	var rep report
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		rest, ours := strings.CutPrefix(name, envPrefix+"_")
		section, _, _ := strings.Cut(rest, "_")
		_, isKey := fieldOf(reflect.TypeFor[Config](), strings.ToLower(section))
		elsewhere := strings.Contains(rest, "_SERVICE_") || strings.Contains(rest, "_PORT") || bytes.Contains(raw, []byte(name))
		if ours && isKey && !known[name] && !elsewhere {
			rep.warn(name, "this environment variable is of no key, and does nothing")
		}
	}
	return rep.all
}

// envPrefix begins the variables that override keys.
const envPrefix = "VAULTFERRY"

// squash is the tag of a struct whose keys stand among those of another.
const squash = ",squash"

func variable(key string) string {
	return envPrefix + "_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return b, err
}

// parse is Load without the file.
func parse(path, dir string, raw []byte, kinds backends.Registry) (*Config, []Problem, error) {
	return parsePassing(path, dir, raw, kinds, func(Problem) bool { return false })
}

// parsePassing is parse, and lets problems pass.
func parsePassing(path, dir string, raw []byte, kinds backends.Registry, passed func(Problem) bool) (*Config, []Problem, error) {
	var rep report
	c := Default()
	r := &refs{file: path, dir: dir, parsed: sha256.Sum256(raw)}
	if file, err := filepath.Abs(path); err == nil {
		r.saw(file, r.parsed)
	}
	all := []*refs{r}
	tree, err := decodeYAML(raw)
	if err != nil {
		rep.bad("", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	} else {
		checkKeys(&rep, "", tree)
		checkKnown(&rep, "", tree, reflect.TypeFor[Config]())
		if err := overlay(c, tree, r); err != nil {
			rep.addTree("", reflect.TypeFor[Config]().String(), err)
		}
		section, _ := tree["keyring"].(map[string]any)
		if _, said := section["file"]; !said {
			c.Keyring.SetDefaults()
		}
		for _, forged := range r.locate("", reflect.ValueOf(c)) {
			rep.add(forged)
		}
		if at := c.Keyring.CredentialPath(); at != "" {
			r.saw(at, digestOf(at))
		}
		c.refs = r
		for i := range c.Stores {
			c.Stores[i].refs = &refs{file: path, dir: dir}
			all = append(all, c.Stores[i].refs)
		}
		c.settle()
		c.validate(&rep, kinds)
	}
	var dangers, open []string
	for _, r := range all {
		dangers, open = append(dangers, r.danger...), append(open, r.open...)
	}
	for _, danger := range compact(dangers) {
		rep.warn("", "%s", danger)
	}
	for _, file := range compact(open) {
		rep.warn("", "%s", file)
	}
	bad, rest := rep.split()
	c.unresolved = map[string]string{}
	bad = slices.DeleteFunc(bad, func(p Problem) bool {
		pass := passed(p)
		if pass {
			c.unresolved[p.Path] = p.Message
		}
		return pass
	})
	if len(bad) > 0 {
		return nil, rest, &Error{File: path, Problems: bad}
	}
	return c, rest, nil
}

// compact drops repeats: a section is decoded more than once.
func compact(files []string) []string {
	slices.Sort(files)
	return slices.Compact(files)
}

// decodeYAML reads exactly one document, which is a mapping or nothing.
func decodeYAML(raw []byte) (map[string]any, error) {
	dec := yaml.NewDecoder(bytes.NewReader(raw))
	tree := map[string]any{}
	if err := dec.Decode(&tree); err != nil && !errors.Is(err, io.EOF) {
		return nil, notYAML(err)
	}
	var second any
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file holds more than one YAML document")
	}
	return tree, nil
}

// notYAML keeps the place of the error and drops what stands there: it may be
// a secret in the wrong place.
func notYAML(err error) error {
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) {
		var places []string
		for _, s := range wrong.Errors {
			if line, what, ok := strings.Cut(s, ": "); ok && strings.HasPrefix(what, "mapping key ") {
				places = append(places, line+": the key stands twice")
			} else {
				places = append(places, line+": a section with keys is wanted here")
			}
		}
		return errors.New(strings.Join(places, "; "))
	}
	if strings.HasSuffix(err.Error(), "found character that cannot start any token") {
		return fmt.Errorf("%w, such as a tab: indent with spaces", err)
	}
	return err
}

// checkKeys refuses what viper would bend: it folds case and splits at dots.
func checkKeys(rep *report, path string, in any) {
	switch v := in.(type) {
	case map[string]any:
		for key, inner := range v {
			at := join(path, key)
			if strings.Contains(key, ".") || strings.ToLower(key) != key {
				rep.bad(at, "unknown key")
				delete(v, key)
			}
			checkKeys(rep, at, inner)
		}
	case map[any]any:
		rep.bad(path, "keys must be text")
	case []any:
		for i, inner := range v {
			checkKeys(rep, fmt.Sprintf("%s[%d]", path, i), inner)
		}
	}
}

// checkKnown refuses unknown keys, as the decoder does, which does not see those
// that hold nothing: viper drops them.
func checkKnown(rep *report, path string, in map[string]any, t reflect.Type) {
	for key, inner := range in {
		at := join(path, key)
		f, known := fieldOf(t, key)
		section, isSection := inner.(map[string]any)
		switch {
		case !known:
			rep.bad(at, "unknown key")
		case isSection && structOf(f.Type) != nil:
			checkKnown(rep, at, section, structOf(f.Type))
		}
	}
}

// structOf is the section that a key of the type holds; nil: it holds none.
func structOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == reflect.TypeFor[secret.Value]() {
		return nil
	}
	return t
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for f := range t.Fields() {
		if f.Tag.Get("mapstructure") == squash {
			if inner, ok := fieldOf(f.Type, key); ok {
				return inner, true
			}
		}
		if f.IsExported() && f.Tag.Get("mapstructure") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// overlay lays the tree, and over it the environment, on the defaults in c.
func overlay(c *Config, tree map[string]any, r *refs) error {
	v := viper.New()
	v.SetEnvPrefix(envPrefix)
	v.SetEnvKeyReplacer(strings.NewReplacer(".", "_"))
	for _, key := range scalars(reflect.TypeFor[Config](), "") {
		if err := v.BindEnv(key); err != nil {
			return fmt.Errorf("config: %w", err)
		}
	}
	if err := v.MergeConfigMap(tree); err != nil {
		return fmt.Errorf("config: %w", err)
	}
	settings := v.AllSettings()
	keepEmpty(settings, tree)
	d := &mapstructure.DecoderConfig{Result: c}
	r.decoderConfig(d)
	decoder, err := mapstructure.NewDecoder(d)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	return decoder.Decode(settings)
}

// keepEmpty puts back the sections that hold nothing, which viper drops: one may
// say which of several ways is wanted.
func keepEmpty(settings, tree map[string]any) {
	for key, inner := range tree {
		section, ok := inner.(map[string]any)
		if !ok {
			continue
		}
		kept, ok := settings[key].(map[string]any)
		if _, other := settings[key]; !ok && !other {
			kept, ok = map[string]any{}, true
			settings[key] = kept
		}
		if ok {
			keepEmpty(kept, section)
		}
	}
}

// scalars lists the key paths that an environment variable may override:
// those of scalars that stand in no list.
func scalars(t reflect.Type, path string) []string {
	var keys []string
	for f := range t.Fields() {
		key := join(path, strings.TrimSuffix(f.Tag.Get("mapstructure"), squash))
		section := structOf(f.Type)
		switch {
		case !f.IsExported(), f.Type.Kind() == reflect.Slice, f.Type == reflect.TypeFor[secret.Value]():
		case section != nil:
			keys = append(keys, scalars(section, key)...)
		default:
			keys = append(keys, key)
		}
	}
	return keys
}
