package access

import "strings"

// Match reports whether s matches pattern, where `*` is any run of characters
// (a slash included) and `?` any one character. There is no escape: names and
// stores that hold these characters match themselves and more. It takes time
// proportional to len(pattern) * len(s) at worst.
func Match(pattern, s string) bool {
	p, t := []rune(pattern), []rune(s)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
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
