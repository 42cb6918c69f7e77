package access

import (
	"strings"
	"unicode/utf8"
)

// Match reports whether s matches pattern, where `*` is any run of characters
// (a slash included) and `?` any one character. There is no escape: names and
// stores that hold these characters match themselves and more. It takes time
// proportional to len(pattern) * len(s) at worst.
func Match(pattern, s string) bool {
	i, j := 0, 0
	star, mark := -1, 0 // behind the last `*`, and where what it takes ends
	for j < len(s) {
		want, m := utf8.DecodeRuneInString(pattern[i:])
		got, n := utf8.DecodeRuneInString(s[j:])
		switch {
		case want == '*':
			i++
			star, mark = i, j
		case m > 0 && (want == '?' || want == got):
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
	return strings.Trim(pattern[i:], "*") == ""
}

func matchAny(patterns []string, s string, fold bool) bool {
	if fold {
		s = strings.ToLower(s)
	}
	for _, p := range patterns {
		if fold {
			p = strings.ToLower(p)
		}
		if p == "*" || Match(p, s) {
			return true
		}
	}
	return false
}

// MatchWithin reports whether some string that begins with s matches the pattern:
// whether s matches a beginning of it.
func MatchWithin(pattern, s string) bool {
	p := []rune(pattern)
	for i := range len(p) + 1 {
		if Match(string(p[:i]), s) {
			return true
		}
	}
	return false
}
