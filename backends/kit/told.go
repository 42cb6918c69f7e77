package kit

import (
	"regexp"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// code is what products spell their codes as. Anything else is no code.
var code = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*([ ._-][A-Za-z0-9]+)*$`)

// Told is what people learn of an answer beside what it means here: its codes,
// and in known words why.
func (a *Answer) Told() string {
	var codes []string
	for _, c := range []string{a.Code, a.Inner} {
		if len(c) <= maxCode && code.MatchString(c) {
			codes = append(codes, c)
		}
	}
	told := ""
	if len(codes) > 0 {
		told = " (" + strings.Join(codes, ", ") + ")"
	}
	if a.Said != "" {
		told += ": " + a.Said
	}
	return told
}

const maxCode = 64

// Known returns the one of the sentences that a product's text begins with, up to
// its first line's end. Empty: nobody knows what else the text may hold, so
// none of it goes on.
func Known(text string, sentences ...string) string {
	line, _, _ := strings.Cut(text, "\r\n")
	for _, s := range sentences {
		if line == s {
			return s
		}
	}
	return ""
}

// ReasonHeader is where other gateways say why.
const ReasonHeader = "Vaultferry-Reason"

// OurReason returns the reason that another gateway gives in its header; empty
// for what no gateway would write there.
func OurReason(header string) string {
	if len(header) > secret.MaxReason || strings.ContainsFunc(header, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return strings.TrimSpace(header)
}
