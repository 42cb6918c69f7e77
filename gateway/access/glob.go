package access

import (
	"strings"
	"unicode/utf8"
)

// Match reports whether s matches pattern, where `*` is any run of characters
// (a slash included) and `?` any one character. There is no escape: names and
// stores that hold these characters match themselves and more. It takes time
// proportional to len(pattern) * len(s) at worst.
func Match(pattern, s string) bool { return glob(pattern, s, '*', '?') }

// glob is Match with other characters for `*` and `?`.
func glob(pattern, s string, run, one rune) bool {
	i, j := 0, 0
	star, mark := -1, 0 // behind the last `*`, and where what it takes ends
	for j < len(s) {
		want, m := utf8.DecodeRuneInString(pattern[i:])
		got, n := utf8.DecodeRuneInString(s[j:])
		switch {
		case want == run:
			i++
			star, mark = i, j
		case m > 0 && (want == one || want == got):
			i += m
			j += n
		case star >= 0:
			_, n := utf8.DecodeRuneInString(s[mark:])
			mark += n
			i, j = star, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], string(run)) == ""
}

func matchAny(patterns []string, s string) bool {
	for _, p := range patterns {
		if p == "*" || Match(p, s) {
			return true
		}
	}
	return false
}

// MatchWithin reports whether some string that begins with s matches the pattern:
// whether s matches a beginning of it.
func MatchWithin(pattern, s string) bool { return globWithin(pattern, s, '*', '?') }

func globWithin(pattern, s string, run, one rune) bool {
	p := []rune(pattern)
	for i := range len(p) + 1 {
		if glob(string(p[:i]), s, run, one) {
			return true
		}
	}
	return false
}
