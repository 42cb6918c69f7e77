package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/internal/shown"
)

// Text of other people, as people see it.
var (
	visible   = shown.Text
	printable = shown.Line
	hidden    = shown.Hidden
)

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

// visibleWriter makes each whole text that is written visible.
type visibleWriter struct{ w io.Writer }

// Write implements io.Writer.
func (v visibleWriter) Write(b []byte) (int, error) {
	if _, err := io.WriteString(v.w, visible(string(b))); err != nil {
		return 0, err
	}
	return len(b), nil
}
