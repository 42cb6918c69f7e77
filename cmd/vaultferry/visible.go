package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Names, tags, stages and what products say are other people's. Nothing of them
// reaches a terminal that steers it, turns the text beside it round, or cannot be
// seen: it is shown as its escape.

// visible escapes what cannot be seen, but for the ends of lines and tabs.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case hidden(r):
			q := strconv.QuoteRune(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hidden(r rune) bool { return r != '\n' && r != '\t' && !strconv.IsPrint(r) }

// visibleJSON is visible for JSON: the same document, in which strings spell
// those characters as JSON's own escapes.
func visibleJSON(b []byte) []byte {
	s := string(b)
	if !strings.ContainsFunc(s, hidden) {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for _, r := range s {
		switch {
		case !hidden(r):
			out = utf8.AppendRune(out, r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

// printable is visible in one line, and with quotes and backslashes escaped
// where something is.
func printable(s string) string {
	q := strconv.Quote(s)
	if bare := q[1 : len(q)-1]; bare != s {
		return bare
	}
	return s
}

// visibleWriter makes each whole text that is written visible.
type visibleWriter struct{ w io.Writer }

// Write implements io.Writer.
func (v visibleWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(v.w, visible(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
