// Package shown prepares text of other people for people: names, tags, stages and
// what products say. Nothing of it steers a terminal, turns the text beside it
// round, or cannot be seen: it is shown as its escape.
package shown

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Text escapes what cannot be seen, but for the ends of lines and tabs.
func Text(s string) string {
	if !strings.ContainsFunc(s, Hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case Hidden(r):
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Hidden reports whether Text escapes the character.
func Hidden(r rune) bool { return r != '\n' && r != '\t' && !strconv.IsPrint(r) }

// Line is Text in one line, and with quotes and backslashes escaped
// where something is.
func Line(s string) string {
	q := strconv.Quote(s)
	if bare := q[1 : len(q)-1]; bare != s {
		return bare
	}
	return s
}
