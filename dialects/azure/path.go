package azure

import (
	"net/http"
	"net/url"
	"strings"
)

// segments drops empty segments and lower-cases the fixed words, for the
// service matches both so: "//Secrets/x/" is "/secrets/x". Names and versions
// stay as they are. It works on encoded paths, so a %2F never splits one.
func segments(method, escaped string) []string {
	kept := make([]string, 0, 4)
	for s := range strings.SplitSeq(escaped, "/") {
		if s != "" {
			kept = append(kept, s)
		}
	}
	for i, s := range kept {
		if word, ok := fixedWord(method, i, s); ok {
			kept[i] = word
		}
	}
	return kept
}

// fixedWord tells whether the segment at place i is a word of the API. A
// secret may be called restore: only a POST means the operation.
func fixedWord(method string, i int, segment string) (string, bool) {
	plain, err := url.PathUnescape(segment)
	if err != nil {
		return "", false
	}
	word := strings.ToLower(plain)
	switch i {
	case 0:
		return word, word == "secrets" || word == "deletedsecrets" || word == "healthstatus"
	case 1:
		return word, word == "restore" && method == http.MethodPost
	case 2:
		return word, word == "versions" || word == "backup" || word == "recover"
	}
	return "", false
}
