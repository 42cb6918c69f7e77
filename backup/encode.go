package backup

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

// Encode returns the canonical encoding: equal documents give equal bytes. It
// fails only where the document breaks the model's own rules.
func (d *Document) Encode() ([]byte, error) {
	if err := d.validate(); err != nil {
		return nil, encodeError(err)
	}
	e := encoder{b: make([]byte, 0, sizeHint(d.Secret))}
	e.document(d)
	if e.err != nil {
		return nil, encodeError(e.err)
	}
	return e.b, nil
}

// encodesTo reports whether Encode would return b, which it compares piece by
// piece: two whole encodings would be twice the size of the secret.
func (d *Document) encodesTo(b []byte) error {
	if err := d.validate(); err != nil {
		return encodeError(err)
	}
	e := encoder{comparing: true, rest: b}
	e.document(d)
	e.settle()
	switch {
	case e.err != nil:
		return encodeError(e.err)
	case len(e.rest) > 0:
		return errNotCanonical
	}
	return nil
}

// encodeError blames whoever built the document: a backend or the gateway.
func encodeError(cause error) error {
	return &secret.Error{Kind: secret.Internal, Op: "backup.encode", Err: cause}
}

// sizeHint is a guess that most documents stay below, so that values are
// copied once: text grows by its escapes, binary by a third.
func sizeHint(s *secret.Secret) int {
	n := 768
	for i := range s.Versions {
		v := &s.Versions[i]
		n += 384 + v.Value.Len() + v.Value.Len()/16
		if v.Value.Form() == secret.Binary {
			n += v.Value.Len() / 3
		}
	}
	return n
}

// encoder appends JSON members in the order of its calls, which is the sorted
// order of their names. The first error sticks.
type encoder struct {
	b   []byte
	err error

	from, to int // where in b the secret of a document stands, unless comparing

	// Comparing, b is only what was written since settle was called last, behind
	// the one byte before that which comma looks at.
	comparing bool
	settled   bool   // that byte is there
	rest      []byte // what is still to come
}

// settle compares what was written, and lets it go.
func (e *encoder) settle() {
	if !e.comparing || len(e.b) == 0 {
		return
	}
	fresh := e.b
	if e.settled {
		fresh = e.b[1:]
	}
	after, same := bytes.CutPrefix(e.rest, fresh)
	if !same {
		e.fail(errNotCanonical)
	}
	e.rest, e.settled = after, true
	e.b[0] = e.b[len(e.b)-1]
	e.b = e.b[:1]
}

func (e *encoder) document(d *Document) {
	e.begin('{')
	e.key("origin")
	e.begin('{')
	e.text("gateway", d.Origin.Gateway)
	e.text("name", string(d.Origin.Name))
	e.text("store", d.Origin.Store)
	e.end('}')
	e.number("schema", schema)
	e.time("sealed_at", d.SealedAt)
	e.key("secret")
	e.from = len(e.b)
	e.secret(d.Secret)
	e.to = len(e.b)
	e.text("signature", d.Signature)
	e.end('}')
}

func (e *encoder) secret(s *secret.Secret) {
	e.begin('{')
	e.time("created", s.Created)
	e.number("current", int64(s.Current))
	e.text("description", s.Description)
	e.extra(s.Extra)
	e.text("name", string(s.Name))
	e.number("previous", int64(s.Previous))
	e.tags(s.Tags)
	e.time("updated", s.Updated)
	e.key("versions")
	e.begin('[')
	for i := range s.Versions {
		e.comma()
		e.version(&s.Versions[i])
		e.settle()
	}
	e.end(']')
	e.end('}')
}

func (e *encoder) version(v *secret.Version) {
	e.begin('{')
	e.text("content_type", v.ContentType)
	e.time("created", v.Created)
	if v.Disabled {
		e.key("disabled")
		e.b = append(e.b, "true"...)
	}
	e.time("expires", v.Expires)
	e.extra(v.Extra)
	e.text("missing", string(v.Missing))
	e.time("not_before", v.NotBefore)
	e.number("ordinal", int64(v.Ordinal))
	e.stages(v.Stages)
	e.tags(v.Tags)
	e.text("uid", v.UID.String())
	e.time("updated", v.Updated)
	e.value(v.Value)
	e.end('}')
}

func (e *encoder) value(v secret.Value) {
	if v.IsNone() {
		return
	}
	e.key("value")
	e.begin('{')
	e.key(v.Form().String())
	if v.Form() == secret.Binary {
		e.b = append(e.b, '"')
		e.b = base64.StdEncoding.AppendEncode(e.b, v.Reveal())
		e.b = append(e.b, '"')
	} else {
		quote(e, v.Reveal())
	}
	e.end('}')
}

func (e *encoder) tags(m map[string]string) {
	if m == nil {
		return
	}
	e.key("tags")
	e.begin('{')
	for _, k := range slices.Sorted(maps.Keys(m)) {
		e.key(k)
		quote(e, m[k])
	}
	e.end('}')
}

func (e *encoder) stages(all []string) {
	if len(all) == 0 {
		return
	}
	e.key("stages")
	e.begin('[')
	for _, s := range all {
		e.comma()
		quote(e, s)
	}
	e.end(']')
}

// extra writes each member as compact JSON, otherwise as it stands.
func (e *encoder) extra(x secret.Extra) {
	if len(x) == 0 {
		return
	}
	e.key("extra")
	e.begin('{')
	for _, k := range slices.Sorted(maps.Keys(x)) {
		e.key(k)
		var c bytes.Buffer
		if !utf8.Valid(x[k]) || json.Compact(&c, x[k]) != nil {
			e.fail(errors.New("a member of extra is not JSON"))
			return
		}
		e.b = append(e.b, c.Bytes()...)
	}
	e.end('}')
}

// text leaves an empty string out.
func (e *encoder) text(key, s string) {
	if s != "" {
		e.key(key)
		quote(e, s)
	}
}

// number leaves zero out.
func (e *encoder) number(key string, n int64) {
	if n != 0 {
		e.key(key)
		e.b = strconv.AppendInt(e.b, n, 10)
	}
}

// time leaves an unset time out.
func (e *encoder) time(key string, t time.Time) {
	if t.IsZero() {
		return
	}
	t = t.UTC()
	if y := t.Year(); y < 1 || y > 9999 {
		e.fail(fmt.Errorf("%s is outside the years 1 to 9999", key))
		return
	}
	e.key(key)
	e.b = append(e.b, '"')
	e.b = t.AppendFormat(e.b, time.RFC3339Nano)
	e.b = append(e.b, '"')
}

func (e *encoder) begin(c byte) { e.b = append(e.b, c) }
func (e *encoder) end(c byte)   { e.b = append(e.b, c) }

// comma separates from whatever stands before in the same object or array.
func (e *encoder) comma() {
	if c := e.b[len(e.b)-1]; c != '{' && c != '[' {
		e.b = append(e.b, ',')
	}
}

func (e *encoder) key(s string) {
	e.comma()
	quote(e, s)
	e.b = append(e.b, ':')
}

func (e *encoder) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

const hexDigits = "0123456789abcdef"

// quote appends the one spelling of a string that documents allow: escapes
// for the quote, the backslash and the characters below space alone, the short
// escape where JSON has one, lower-case hex otherwise.
func quote[T string | []byte](e *encoder, s T) {
	e.b = append(e.b, '"')
	done, high := 0, false
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			high = high || c >= utf8.RuneSelf
			continue
		}
		e.b = append(e.b, s[done:i]...)
		e.b = appendEscape(e.b, c)
		done = i + 1
	}
	e.b = append(e.b, s[done:]...)
	e.b = append(e.b, '"')
	if high && !utf8.ValidString(string(s)) {
		e.fail(errors.New("a text is not valid UTF-8"))
	}
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\t':
		return append(b, '\\', 't')
	case '\n':
		return append(b, '\\', 'n')
	case '\f':
		return append(b, '\\', 'f')
	case '\r':
		return append(b, '\\', 'r')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
