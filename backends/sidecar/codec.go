package sidecar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf16"
)

// JSON writes v compactly and without the escapes for HTML. It panics where v
// cannot be written: members of an Extra are valid JSON, as package history saw
// to.
func JSON(v any) (text string) {
	written(v, func(b []byte) { text = string(b) })
	return text
}

// written hands the JSON of v to use, which must not keep it.
func written(v any, use func([]byte)) {
	w, _ := writers.Get().(*writer)
	defer writers.Put(w)
	w.Reset()
	if err := w.enc.Encode(v); err != nil {
		panic(err)
	}
	use(bytes.TrimSuffix(w.Bytes(), []byte("\n")))
}

type writer struct {
	bytes.Buffer
	enc *json.Encoder
}

var writers = sync.Pool{New: func() any {
	w := new(writer)
	w.enc = json.NewEncoder(&w.Buffer)
	w.enc.SetEscapeHTML(false)
	return w
}}

// ASCII is JSON in printable ASCII, without the characters that servers escape:
// its length is what they store.
func ASCII(v any) string {
	text := JSON(v)
	if plain(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case !escaped(r):
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		}
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if escaped(rune(s[i])) {
			return false
		}
	}
	return true
}

func escaped(r rune) bool { return r >= 0x7f || r == '<' || r == '>' || r == '&' }

// ErrForeign is of a sidecar that no gateway of this version wrote.
var ErrForeign = errors.New("not a sidecar of this gateway")

// Valid is what a sidecar says of itself once it is decoded.
type Valid interface{ Valid() bool }

// Decode reads what encode, which is JSON or ASCII, made of the same type. It
// is strict: ErrForeign for any text that encode would not write.
func Decode(text string, encode func(any) string, into Valid) error {
	if json.Unmarshal([]byte(text), into) != nil || !into.Valid() {
		return ErrForeign
	}
	same := false
	written(into, func(b []byte) { same = string(b) == text })
	if same && plain(text) || encode(into) == text { // what is plain is alike in both
		return nil
	}
	return ErrForeign
}
