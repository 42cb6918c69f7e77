package shown_test

import (
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/shown"
)

// Characters that turn the text beside them round, hide it, or steer the
// terminal: bidi controls, isolates, marks, zero width, escape, C1, a tag.
const steering = "\u202e\u2066\u200f\u061c\u200b\ufeff\x1b[2J\u009b\x7f\U000e0041"

func TestNothingSteers(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"plain":               "plain",
		"שלום é 🔑":            "שלום é 🔑",
		"a\nb\tc":             "a\nb\tc",
		"x\u202ey":            `x\u202ey`,
		"\x1b[31m":            `\x1b[31m`,
		"bad \xff":            `bad \xff`,
		`a "quote" and \ too`: `a "quote" and \ too`,
	} {
		if got := shown.Text(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
	if got := shown.Text(steering); strings.ContainsFunc(got, shown.Hidden) {
		t.Errorf("shown as %q", got)
	}
	for in, want := range map[string]string{`a"`: `a\"`, `"`: `\"`, "\u202e": `\u202e`, "a b": "a b"} {
		if got := shown.Line(in); got != want {
			t.Errorf("%q is printed as %q, want %q", in, got, want)
		}
	}
}
