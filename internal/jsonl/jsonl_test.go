package jsonl

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// TestForeign: what other programs make of a file is told by how it begins, before any
// line is read, and nothing of it is lost.
func TestForeign(t *testing.T) {
	t.Parallel()
	for begins, want := range map[string]string{
		`{"vaultferry":"plan"}` + "\n":    "",
		"":                                "",
		"\x1f\x8b\x08\x00":                "decompress it",
		"PK\x03\x04":                      "decompress it",
		"\xef\xbb\xbf" + `{"a":1}` + "\n": "another encoding",
		"\xff\xfe{\x00":                   "another encoding",
		`{"a":1}` + "\r\n":                "other line ends",
		"{\n  \"a\": 1\n}\n":              "laid out its JSON anew",
		`[{"a":1}]` + "\n":                "laid out its JSON anew",
		`{"a":"` + strings.Repeat("x", 1<<17) + `"}`: "",
	} {
		r := NewReader(strings.NewReader(begins), 1<<20)
		if got := r.Foreign(); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%.20q: %q, want %q", begins, got, want)
		}
		rest, err := io.ReadAll(r.lines)
		if err != nil || string(rest) != begins {
			t.Errorf("%.20q: %d of %d bytes are left, %v", begins, len(rest), len(begins), err)
		}
	}
	r := NewReader(strings.NewReader(`{"a":1}`), 1<<20)
	if _, err := r.Next(); !errors.Is(err, ErrCut) {
		t.Error(err)
	}
}
