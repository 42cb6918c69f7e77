package secret_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/secret"
)

// TestReasonOf: whatever a Detail holds, a reason is one line that a header can
// bear, and nothing of the cause is in it.
func TestReasonOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ detail, want string }{
		{"", ""},
		{"tags: 17, at most 15", "tags: 17, at most 15"},
		{"a\r\nSet-Cookie: b\t\x00\x7f", `a\u000d\u000aSet-Cookie: b\u0009\u0000\u007f`},
		{"größe 😀\u2028x", `gr\u00f6\u00dfe \U0001f600\u2028x`},
		{`a\u000d`, `a\\u000d`},
		{"\xff\xc3", `\xff\xc3`},
		{" blanks around\n", "blanks around"},
		{strings.Repeat("x", 512), strings.Repeat("x", 512)},
		{strings.Repeat("x", 513), strings.Repeat("x", 509) + "..."},
		{strings.Repeat("é", 400), strings.Repeat(`\u00e9`, 84) + "..."},
	} {
		got := secret.ReasonOf(&secret.Error{Kind: secret.Invalid, Detail: c.detail, Err: errors.New("cause")})
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.detail, got, c.want)
		}
	}
	if secret.ReasonOf(nil) != "" || secret.ReasonOf(errors.New("cause")) != "" || secret.ReasonOf(secret.Invalid) != "" {
		t.Error("what has no Detail has a reason")
	}
}

func FuzzReasonOf(f *testing.F) {
	for _, s := range []string{"", "x", "\r\n", "é", "\xff", strings.Repeat("é", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, detail string) {
		got := secret.ReasonOf(secret.Errorf(secret.Invalid, "%s", detail))
		if len(got) > secret.MaxReason || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) || strings.TrimSpace(got) != got {
			t.Fatalf("%q", got)
		}
	})
}
