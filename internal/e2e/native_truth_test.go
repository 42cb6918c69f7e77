package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// TestForecastOfNativeTools: the words that take nothing away from the
// gateway say what the product's own tools see differently. So a client of the
// vendor's, which knows nothing of us, looks at what an import left, and what
// it sees is what was foretold: no word missing, none too much. Where the
// product is our own dialect over memory, it is as good as that stands for it.
func TestForecastOfNativeTools(t *testing.T) {
	t.Parallel()
	for kind, meet := range onlookers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ours, eyes := meet(t)
			run := 0
			rapid.Check(t, func(rt *rapid.T) {
				run++
				for _, wrong := range parted(t, ours, eyes, plainDocument(rt, fmt.Sprint("native-", run))) {
					rt.Error(wrong)
				}
			})
		})
	}
}

// parted imports s and says where the forecast and the native view part. It
// prints no value.
func parted(t *testing.T, ours backends.Backend, eyes onlooker, s *secret.Secret) []string {
	t.Helper()
	losses := ours.Forecast(s)
	if _, err := ours.Import(t.Context(), s, ""); err != nil {
		return []string{"Import: " + err.Error()}
	}
	seen, err := eyes.look(t.Context(), string(s.Name))
	if err != nil {
		return []string{"the vendor's client: " + err.Error()}
	}
	stands := loss.Apply(s, losses)
	view, err := matched(stands, seen)
	if err != nil {
		return []string{err.Error()}
	}
	return compared(foretold(losses), append(view.losses(), eyes.roles(view)...))
}

// foretold are the losses of these words, in short. One of a version that
// does not stand is among them, and so is one too much. Of the other words only
// that a version is gone is expected of such documents.
func foretold(losses []secret.Loss) []string {
	var out []string
	for _, l := range losses {
		if !loss.TakesAway(l) || l.What != loss.Version {
			out = append(out, short(l.Grade, l.Version, l.What))
		}
	}
	return out
}

func short(g secret.Grade, o secret.Ordinal, what string) string {
	if o == 0 {
		return fmt.Sprintf("%s of the secret (%s)", what, g)
	}
	return fmt.Sprintf("%s of version %d (%s)", what, o, g)
}

func compared(foretold, seen []string) []string {
	var out []string
	for _, l := range seen {
		if !slices.Contains(foretold, l) {
			out = append(out, "native tools see it, and it is not foretold: "+l)
		}
	}
	for i, l := range foretold {
		if !slices.Contains(seen, l) {
			out = append(out, "foretold, and native tools see nothing of it: "+l)
		} else if slices.Contains(foretold[:i], l) {
			out = append(out, "foretold twice: "+l)
		}
	}
	return out
}

// sight is all that a vendor's client sees of a secret.
type sight struct {
	versions []seenVersion
	// current and previous are ids of versions; empty: there is none.
	current, previous string
}

// seenVersion is a version of the product's. Of text, bytes and fields those
// are set by which its value can be taken.
type seenVersion struct {
	id     string
	closed bool // the product refuses the value as the import left it
	text   *string
	bytes  []byte // nil: none
	fields map[string]any
	// times are those that the product shows, by the model's words; zero where
	// it keeps none.
	created, updated time.Time
}

// view is a sight in which it is known which version is whose.
type view struct {
	stands            *secret.Secret
	versions          map[secret.Ordinal]*seenVersion
	current, previous secret.Ordinal
}

var errNotOne = errors.New("native tools do not see each version that stands exactly once")

// matched tells the versions by their values, each of which is there once, and
// by nothing that we wrote beside them.
func matched(stands *secret.Secret, seen *sight) (*view, error) {
	w := &view{stands: stands, versions: map[secret.Ordinal]*seenVersion{}}
	for i := range stands.Versions {
		v := &stands.Versions[i]
		for j := range seen.versions {
			n := &seen.versions[j]
			if same, _ := n.holds(v.Value); !same {
				continue
			}
			if w.versions[v.Ordinal] != nil {
				return nil, fmt.Errorf("version %d: %w", v.Ordinal, errNotOne)
			}
			w.versions[v.Ordinal] = n
			if n.id == seen.current {
				w.current = v.Ordinal
			}
			if n.id == seen.previous {
				w.previous = v.Ordinal
			}
		}
		if !v.Value.IsNone() && w.versions[v.Ordinal] == nil {
			return nil, fmt.Errorf("version %d: %w", v.Ordinal, errNotOne)
		}
	}
	if len(w.versions) != len(seen.versions) {
		return nil, errNotOne
	}
	return w, nil
}

// holds reports whether n is of this value, and whether it shows it in the
// value's own form.
func (n *seenVersion) holds(v secret.Value) (same, natural bool) {
	raw := v.Reveal()
	texts := func(s string) bool { return n.text != nil && *n.text == s }
	switch v.Form() {
	case secret.Text:
		return texts(string(raw)), true
	case secret.Binary:
		if n.bytes != nil && bytes.Equal(n.bytes, raw) {
			return true, true
		}
		return texts(base64.StdEncoding.EncodeToString(raw)), false
	case secret.Fields:
		if n.fields != nil && reflect.DeepEqual(n.fields, decoded(raw)) {
			return true, true
		}
		return texts(string(raw)), false
	}
	return false, false
}

// decoded is a JSON object as the vendor's client of Vault decodes one.
func decoded(b []byte) map[string]any {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	m := map[string]any{}
	if d.Decode(&m) != nil {
		return nil
	}
	return m
}

// losses are those that are the same question of every product.
//
// "created" is said once of the secret, whichever time of whichever version
// differs, and stands for the times of last changes too: no product says
// "updated", for none lets a writer set the one and not the other.
func (w *view) losses() []string {
	var out []string
	late := false
	for o, n := range w.versions {
		v := w.stands.Find(secret.ByOrdinal(o))
		if v.Disabled && !n.closed {
			out = append(out, short(secret.Data, o, loss.Disabled))
		}
		if _, natural := n.holds(v.Value); !natural {
			out = append(out, short(secret.Trace, o, loss.Form))
		}
		late = late || !n.created.Equal(v.Created) || !n.updated.Equal(v.Updated)
	}
	if late {
		out = append(out, short(secret.Trace, 0, loss.Created))
	}
	return out
}

// rolesOfVault: both engines take the newest version for the current one,
// which is of meaning to whoever reads "the" secret. They know no previous
// version, and so show none that could be a wrong one.
func rolesOfVault(w *view) []string {
	if w.current != w.stands.Current {
		return []string{short(secret.Meaning, 0, loss.Current)}
	}
	return nil
}

// rolesAndNumbersOfVault: KV v2 numbers its versions by itself.
func rolesAndNumbersOfVault(w *view) []string {
	out := rolesOfVault(w)
	for o, n := range w.versions {
		if n.id != o.String() {
			return append(out, short(secret.Trace, 0, loss.Number))
		}
	}
	return out
}

// rolesOfAzure: the newest version is the current one, so to make one current
// is to write it last. Then native tools see the right one in the role, and
// another order: a trace. There is no previous version either.
func rolesOfAzure(w *view) []string {
	switch {
	case w.current != w.stands.Current:
		return []string{short(secret.Meaning, 0, loss.Current)}
	case w.current != w.stands.Newest().Ordinal:
		return []string{short(secret.Trace, 0, loss.Current)}
	}
	return nil
}

// rolesOfHuawei: both roles can be set, but not left empty. That one stands
// where there is none is a trace.
func rolesOfHuawei(w *view) []string {
	var out []string
	if w.current != w.stands.Current {
		out = append(out, short(secret.Trace, 0, loss.Current))
	}
	if w.previous != w.stands.Previous {
		out = append(out, short(secret.Trace, 0, loss.Previous))
	}
	return out
}

// shapes are values of every form, by what is odd about them. The mark makes
// each the only one of its document. Only names are drawn, so that a failure
// prints no value.
var shapes = map[string]func(mark string) secret.Value{
	"text": secret.TextValue,
	"text of base64": func(m string) secret.Value {
		return secret.TextValue(base64.StdEncoding.EncodeToString([]byte("t" + m)))
	},
	"text of fields":   func(m string) secret.Value { return secret.TextValue(`{"text":"` + m + `"}`) },
	"binary":           func(m string) secret.Value { return secret.BinaryValue([]byte("\xff\x00" + m)) },
	"binary of text":   func(m string) secret.Value { return secret.BinaryValue([]byte("b" + m)) },
	"a field":          fields(`{"m":"MARK"}`),
	"a field as text":  fields(`{"value":"f-MARK"}`),
	"nested fields":    fields(`{"a":{"b":[1,null,{"c":true}]},"m":"MARK"}`),
	"small numbers":    fields(`{"f":0.5,"m":"MARK","n":-7}`),
	"largest number":   fields(`{"m":"MARK","n":9007199254740992}`),
	"large number":     fields(`{"m":"MARK","n":9007199254740993}`),
	"spelt number":     fields(`{"m":"MARK","n":1.0}`),
	"exponent":         fields(`{"m":"MARK","n":1e+21}`),
	"duplicate member": fields(`{"m":"x","m":"MARK"}`),
	"unsorted":         fields(`{"m":"MARK","a":""}`),
	"spaced":           fields(`{ "m": "MARK" }`),
	"escaped":          fields(`{"m":"\u0041MARK"}`),
	"HTML":             fields(`{"h":"<&>","m":"MARK"}`),
	"deep":             fields(`{"a":` + strings.Repeat("[", 150) + strings.Repeat("]", 150) + `,"m":"MARK"}`),
}

func fields(json string) func(string) secret.Value {
	return func(mark string) secret.Value {
		return secret.FieldsValue([]byte(strings.Replace(json, "MARK", mark, 1)))
	}
}

// empties read alike in some products: a document has one of them at most.
var empties = map[string]func() secret.Value{
	"empty text":   func() secret.Value { return secret.TextValue("") },
	"empty binary": func() secret.Value { return secret.BinaryValue([]byte{}) },
	"no fields":    func() secret.Value { return secret.FieldsValue([]byte(`{}`)) },
}

// plainDocument draws a secret of few versions that no product refuses, with
// all that these words are about. Its newest version holds a value.
func plainDocument(t *rapid.T, name string) *secret.Secret {
	s := &secret.Secret{Name: secret.Name(name), Created: drawTime(t), Updated: drawTime(t)}
	n := rapid.IntRange(1, 6).Draw(t, "versions")
	var o secret.Ordinal
	for range n {
		o += secret.Ordinal(rapid.SampledFrom([]int{1, 1, 1, 2, 4, 4, 102}).Draw(t, "gap"))
		v := secret.Version{Ordinal: o, UID: secret.NewUID(), Created: drawTime(t), Disabled: rapid.Bool().Draw(t, "disabled")}
		if v.Updated = v.Created; rapid.Bool().Draw(t, "changed") {
			v.Updated = drawTime(t)
		}
		v.Value = shapes[rapid.SampledFrom(slices.Sorted(maps.Keys(shapes))).Draw(t, "shape")](fmt.Sprint("canary-", o))
		s.Versions = append(s.Versions, v)
	}
	if i := rapid.IntRange(-6, n-1).Draw(t, "empty"); i >= 0 {
		s.Versions[i].Value = empties[rapid.SampledFrom(slices.Sorted(maps.Keys(empties))).Draw(t, "of form")]()
	}
	if i := rapid.IntRange(-6, n-2).Draw(t, "destroyed"); i >= 0 {
		s.Versions[i].Value, s.Versions[i].Missing = secret.Value{}, secret.Destroyed
	}
	s.Current, s.Previous = drawHolder(t, s, "current"), drawHolder(t, s, "previous")
	if s.Previous == s.Current {
		s.Previous = 0
	}
	return s
}

// drawHolder is any version or none, and often one of the newest.
func drawHolder(t *rapid.T, s *secret.Secret, role string) secret.Ordinal {
	n := len(s.Versions)
	i := rapid.SampledFrom([]int{-1, 0, 1, 2, 3, 4, 5, n - 1, n - 1, n - 2}).Draw(t, role)
	if i < 0 || i >= n {
		return 0
	}
	return s.Versions[i].Ordinal
}

// drawTime is long before or after the import, to the millisecond at most, so
// that no product can show it by chance.
func drawTime(t *rapid.T) time.Time {
	year := rapid.SampledFrom([]int{1971, 2001, 2020, 2090}).Draw(t, "year")
	ms := rapid.IntRange(0, 999).Draw(t, "milliseconds")
	return time.Date(year, 2, 3, 4, 5, 6, ms*1e6, time.UTC)
}
