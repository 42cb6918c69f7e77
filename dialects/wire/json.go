package wire

import "unicode/utf8"

// Appender is a body that appends its own JSON, compact and without HTML
// escapes. It is for what is asked for most often: encoding/json spends more
// on an answer than all the rest of the gateway.
type Appender interface{ AppendJSON(to []byte) []byte }

const hexDigits = "0123456789abcdef"

// AppendString appends a string as encoding/json spells it without HTML
// escapes. What is not UTF-8 becomes the replacement character.
func AppendString(to []byte, s string) []byte {
	to = append(to, '"')
	done := 0
	for i := 0; i < len(s); {
		if c := s[i]; c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		c, size := utf8.DecodeRuneInString(s[i:])
		if escape := escapeOf(c, size); escape != "" {
			to = append(to, s[done:i]...)
			to = append(to, escape...)
			if escape == controlEscape {
				to = append(to, hexDigits[c>>4], hexDigits[c&15])
			}
			done = i + size
		}
		i += size
	}
	return append(append(to, s[done:]...), '"')
}

// controlEscape begins the escape of a control character that has no short one.
const controlEscape = `\u00`

// escapeOf returns how a character of size bytes is written, or "" where it
// stands for itself.
func escapeOf(c rune, size int) string {
	switch {
	case c == '"':
		return `\"`
	case c == '\\':
		return `\\`
	case c == '\b':
		return `\b`
	case c == '\f':
		return `\f`
	case c == '\n':
		return `\n`
	case c == '\r':
		return `\r`
	case c == '\t':
		return `\t`
	case c < ' ':
		return controlEscape
	case c == '\u2028': // JavaScript would end a line there
		return `\u2028`
	case c == '\u2029':
		return `\u2029`
	case c == utf8.RuneError && size == 1:
		return `\ufffd`
	}
	return ""
}
