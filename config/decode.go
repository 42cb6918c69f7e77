package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/secret"
)

// Size is a number of bytes, written as 1048576 or 64MiB.
type Size int64

// Token is the SHA-256 of a bearer token, given as such or as a reference to
// the token itself.
type Token struct {
	Hash [sha256.Size]byte
	Name string // what the audit calls it; empty: the beginning of Hash
	Bound
}

var units = []struct {
	suffix string
	factor int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

// Pattern is the regular expression of a Size that is written as text.
func (Size) Pattern() string {
	var suffixes []string
	for _, u := range units {
		if u.suffix != "" {
			suffixes = append(suffixes, u.suffix)
		}
	}
	return `^\+?[0-9]+ *(` + strings.Join(suffixes, "|") + `)?$`
}

// String is the Size in the largest unit that divides it.
func (s Size) String() string {
	best := units[len(units)-1]
	for _, u := range units {
		if s > 0 && int64(s)%u.factor == 0 && u.factor > best.factor {
			best = u
		}
	}
	return strconv.FormatInt(int64(s)/best.factor, 10) + best.suffix
}

// ParseSize reads a Size.
func ParseSize(s string) (Size, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.factor {
			break
		}
		return Size(n * u.factor), nil
	}
	return 0, errors.New("not a size; write 64MiB or a number of bytes")
}

// decoderConfig makes a decoder strict: no value changes its type unless one
// of our hooks says so.
func (r *refs) decoderConfig(c *mapstructure.DecoderConfig) {
	c.WeaklyTypedInput = false
	c.ErrorUnused = true
	c.DecodeHook = r.hook
	c.TagName = "mapstructure"
	c.MatchName = func(key, field string) bool { return key == field }
}

// hook turns what YAML and the environment hold into our types.
func (r *refs) hook(from, to reflect.Value) (any, error) {
	in := from.Interface()
	switch to.Interface().(type) {
	case secret.Value:
		return r.value(in)
	case Token:
		return r.token(in)
	case Size:
		return size(in)
	case time.Duration:
		return duration(in)
	case Date:
		return date(in)
	}
	text, isText := in.(string)
	switch k := to.Kind(); {
	case k == reflect.Pointer && to.IsNil() && to.CanSet() && from.Kind() == reflect.Map:
		to.Set(reflect.New(to.Type().Elem())) // one member that is wrong leaves the others there
	case k == reflect.String:
		return in, wantText(in)
	case k == reflect.Bool && isText:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, errors.New("true or false is wanted here")
		}
		return b, nil
	case k == reflect.Int && isText:
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, errors.New("a number is wanted here")
		}
		return n, nil
	}
	return in, nil
}

// wantText refuses what YAML took for a number, a boolean or a date.
func wantText(in any) error {
	switch in.(type) {
	case int, int64, uint64, float64:
		return errors.New("text is wanted here and YAML reads this as a number: quote it")
	case bool:
		return errors.New("text is wanted here and YAML reads this as true or false: quote it")
	case time.Time:
		return errors.New("text is wanted here and YAML reads this as a date: quote it")
	}
	return nil
}

func size(in any) (any, error) {
	switch v := in.(type) {
	case string:
		return ParseSize(v)
	case int:
		return ParseSize(strconv.Itoa(v))
	}
	return nil, errors.New("not a size; write 64MiB or a number of bytes")
}

func duration(in any) (any, error) {
	if s, ok := in.(string); ok {
		if d, err := time.ParseDuration(s); err == nil && d >= 0 {
			return d, nil
		}
	}
	return nil, errors.New("not a duration; write 30s or 5m")
}

func (r *refs) token(in any) (any, error) {
	m, t, err := r.beside(in)
	if err != nil {
		return nil, err
	}
	if raw, ok := m["sha256"]; ok && len(m) == 1 {
		text, isText := raw.(string)
		b, err := hex.DecodeString(text)
		if !isText || err != nil || len(b) != sha256.Size {
			return nil, errors.New("sha256 wants 64 hex digits in quotes")
		}
		t.Hash = [sha256.Size]byte(b)
		return t, nil
	}
	v, err := r.value(m)
	if err != nil {
		return nil, err
	}
	if !access.Strong(v.Reveal()) {
		return nil, fmt.Errorf("it can be guessed: fewer than %d bits, as far as can be seen, and it opens the gateway to whoever sends it; make another with: openssl rand -hex 32", access.StrongBits)
	}
	t.Hash = sha256.Sum256(v.Reveal())
	return t, nil
}

// locate makes every field tagged path:"true" in v relative to the folder of the
// configuration. Of files that are read where they are opened, which are all that
// are not tagged loaded:"false", it remembers what they hold, and returns those
// that anybody could have put there. v stands at the key at.
func (r *refs) locate(at string, v reflect.Value) (forged []Problem) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return r.locate(at, v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			forged = append(forged, r.locate(fmt.Sprintf("%s[%d]", at, i), v.Index(i))...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f, t := v.Field(i), v.Type().Field(i)
			key := join(at, strings.TrimSuffix(t.Tag.Get("mapstructure"), ",squash"))
			switch {
			case !t.IsExported():
			case t.Tag.Get("path") == "true":
				forged = append(forged, r.locateFile(key, f, t.Tag.Get("loaded") != "false")...)
			default:
				forged = append(forged, r.locate(key, f)...)
			}
		}
	default:
	}
	return forged
}

func (r *refs) locateFile(at string, f reflect.Value, loaded bool) (forged []Problem) {
	if f.String() == "" {
		return nil
	}
	if !filepath.IsAbs(f.String()) {
		f.SetString(filepath.Join(r.dir, f.String()))
	}
	if !loaded {
		return nil
	}
	r.saw(f.String(), digestOf(f.String()))
	switch d := ownfile.Look(f.String()); {
	case d != nil && d.Sure:
		return []Problem{{Severity: Bad, Path: at, Message: d.What}}
	case d != nil:
		r.danger = append(r.danger, d.What)
	}
	return nil
}

// section is one backend's part of a store, for its driver alone.
type section struct {
	raw  any
	refs *refs
}

// Decode implements backends.Section.
func (s *section) Decode(into any) error {
	c := &mapstructure.DecoderConfig{Result: into}
	s.refs.decoderConfig(c)
	d, err := mapstructure.NewDecoder(c)
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	if err := d.Decode(s.raw); err != nil {
		return sectionError(err, reflect.TypeOf(into).Elem().String())
	}
	var errs []error
	for _, p := range s.refs.locate("", reflect.ValueOf(into)) {
		errs = append(errs, fmt.Errorf("%s: %s", p.Path, p.Message))
	}
	return errors.Join(errs...)
}

// sectionError gives each problem its own path, relative to the section.
func sectionError(err error, root string) error {
	var all []error
	for _, l := range leaves(err, root) {
		said := errors.New(strings.TrimPrefix(l.path+": "+l.message, ": "))
		if l.unresolved {
			said = unresolved{said}
		}
		all = append(all, said)
	}
	return errors.Join(all...)
}
