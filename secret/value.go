package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"unicode/utf8"
)

// Redacted is what a value, and anything that may hold one, prints.
const Redacted = "[redacted]"

// ErrNotMarshalable is returned by every encoder that meets a Value or an
// Extra. Whoever really means to disclose one calls Reveal.
var ErrNotMarshalable = errors.New("secret: a value does not marshal itself; call Reveal where disclosure is meant")

// Form says what the bytes of a Value are.
type Form uint8

// The forms. None is the zero Value: no value is held (not an empty one).
const (
	None   Form = iota
	Text        // valid UTF-8, possibly empty
	Binary      // any bytes
	Fields      // a JSON object, in the bytes that the product holds
)

// String names the form as documents and errors do.
func (f Form) String() string {
	switch f {
	case None:
		return "none"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Fields:
		return "fields"
	}
	return fmt.Sprintf("form(%d)", uint8(f))
}

// Value is a payload that cannot print, log or marshal itself. Reveal is the
// only way out, so every disclosure is found by searching for that word.
//
// The bytes stand behind two pointers so that package fmt, which calls no
// methods on unexported fields and follows one pointer for a verb that does
// not fit, shows an address and not a secret.
type Value struct {
	form Form
	data **payload
}

type payload struct{ b []byte }

func newValue(f Form, b []byte) Value {
	p := &payload{b: b}
	return Value{form: f, data: &p}
}

// TextValue returns a value of text. It is Binary if s is not valid UTF-8.
func TextValue(s string) Value {
	if !utf8.ValidString(s) {
		return BinaryValue([]byte(s))
	}
	return newValue(Text, []byte(s))
}

// TextBytes is TextValue for bytes, which it takes over: large values are then
// not copied.
func TextBytes(b []byte) Value {
	if !utf8.Valid(b) {
		return BinaryValue(b)
	}
	return newValue(Text, b)
}

// BinaryValue returns a value of bytes. It takes b over.
func BinaryValue(b []byte) Value { return newValue(Binary, b) }

// FieldsValue returns a value that is the given JSON object. It takes b over.
func FieldsValue(b []byte) Value { return newValue(Fields, b) }

// NewValue returns a value of the form, which says what the bytes are: see the
// constructor of each. It takes b over. An unknown form is None.
func NewValue(f Form, b []byte) Value {
	switch f {
	case Text:
		return TextBytes(b)
	case Binary:
		return BinaryValue(b)
	case Fields:
		return FieldsValue(b)
	}
	return Value{}
}

// Form tells what Reveal returns.
func (v Value) Form() Form { return v.form }

// IsNone reports whether no value is held at all.
func (v Value) IsNone() bool { return v.form == None }

// Len is the length in bytes of what Reveal returns.
func (v Value) Len() int {
	if v.data == nil {
		return 0
	}
	return len((*v.data).b)
}

// Reveal discloses the bytes. The caller must not change them.
func (v Value) Reveal() []byte {
	if v.data == nil {
		return nil
	}
	return (*v.data).b
}

// Equal reports whether both hold the same form and bytes. It is not constant
// time; do not compare credentials with it.
func (v Value) Equal(w Value) bool {
	return v.form == w.form && bytes.Equal(v.Reveal(), w.Reveal())
}

// String never discloses.
func (v Value) String() string { return Redacted }

// GoString never discloses.
func (v Value) GoString() string { return Redacted }

// Format never discloses, whatever the verb.
func (v Value) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue never discloses.
func (v Value) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON always fails.
func (v Value) MarshalJSON() ([]byte, error) { return nil, ErrNotMarshalable }

// MarshalText always fails.
func (v Value) MarshalText() ([]byte, error) { return nil, ErrNotMarshalable }

// MarshalBinary always fails.
func (v Value) MarshalBinary() ([]byte, error) { return nil, ErrNotMarshalable }

// MarshalYAML always fails.
func (v Value) MarshalYAML() (any, error) { return nil, ErrNotMarshalable }

// GobEncode always fails.
func (v Value) GobEncode() ([]byte, error) { return nil, ErrNotMarshalable }
