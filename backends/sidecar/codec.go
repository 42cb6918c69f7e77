package sidecar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
)

// JSON writes v compactly and without the escapes for HTML. It panics where v
// cannot be written: members of an Extra are valid JSON, as package history saw
// to.
func JSON(v any) string {
	var b bytes.Buffer
	b.Grow(256) // what most need
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

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

func plain(s string) bool { return !strings.ContainsFunc(s, escaped) }

func escaped(r rune) bool { return r >= 0x7f || r == '<' || r == '>' || r == '&' }

// ErrForeign is of a sidecar that no gateway of this version wrote.
var ErrForeign = errors.New("not a sidecar of this gateway")

// Valid is what a sidecar says of itself once it is decoded.
type Valid interface{ Valid() bool }

// Decode reads what encode, which is JSON or ASCII, made of the same type. It
// is strict: ErrForeign for any text that encode would not write.
func Decode(text string, encode func(any) string, into Valid) error {
	if json.Unmarshal([]byte(text), into) != nil || !into.Valid() || encode(into) != text {
		return ErrForeign
	}
	return nil
}
