package secret

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxReason bounds a reason, in bytes.
const MaxReason = 512

// ReasonOf says why err came, as it stands in a header or on a line: the Detail
// in printable ASCII, with other characters escaped as Go does. Empty: no more
// is known than the kind.
//
// It says nothing of who may read it: see gateway.Service.Reason.
func ReasonOf(err error) string {
	const end = "..."
	var b strings.Builder
	cut := 0 // where to end if it gets too long: between characters
	for s := strings.TrimSpace(DetailOf(err)); s != "" && b.Len() <= MaxReason; {
		if b.Len() <= MaxReason-len(end) {
			cut = b.Len()
		}
		r, n := utf8.DecodeRuneInString(s)
		b.WriteString(inASCII(r, s[:n]))
		s = s[n:]
	}
	if b.Len() > MaxReason {
		return b.String()[:cut] + end
	}
	return b.String()
}

// inASCII spells the character r, of which s is the bytes.
func inASCII(r rune, s string) string {
	switch {
	case r == utf8.RuneError && len(s) == 1:
		return fmt.Sprintf(`\x%02x`, s[0])
	case r == '\\':
		return `\\`
	case r > 0xffff:
		return fmt.Sprintf(`\U%08x`, r)
	case r < ' ' || r > '~':
		return fmt.Sprintf(`\u%04x`, r)
	}
	return s
}
