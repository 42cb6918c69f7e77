package access

import "strings"

// ClaimPath is where a token has a claim: one name, or the steps of a JSON pointer
// (RFC 6901) through objects, which begins with a slash.
func ClaimPath(claim string) []string {
	if !strings.HasPrefix(claim, "/") {
		return []string{claim}
	}
	steps := strings.Split(claim[1:], "/")
	for i, s := range steps {
		steps[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
	}
	return steps
}
