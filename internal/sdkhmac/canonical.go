package sdkhmac

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// canonicalRequest returns what the client hashed and signed.
func canonicalRequest(r *http.Request, body []byte, signed []string) (string, error) {
	path, err := canonicalPath(r.URL.EscapedPath())
	if err != nil {
		return "", err
	}
	query, err := canonicalQuery(r.URL.RawQuery)
	if err != nil {
		return "", err
	}
	payload, err := payloadHash(r.Header, body)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(r.Method + "\n" + path + "\n" + query + "\n")
	for _, name := range signed {
		v, err := headerValue(r, name)
		if err != nil {
			return "", err
		}
		b.WriteString(name + ":" + v + "\n")
	}
	b.WriteString("\n" + strings.Join(signed, ";") + "\n" + payload)
	return b.String(), nil
}

// canonicalPath decodes each segment once and encodes it the scheme's way, so
// that an escaped slash stays within its segment. The result ends in a slash,
// which the path on the wire does not.
func canonicalPath(escaped string) (string, error) {
	segments := strings.Split(escaped, "/")
	for i, s := range segments {
		d, err := url.PathUnescape(s)
		if err != nil {
			return "", fmt.Errorf("%w: %w", ErrRequest, err)
		}
		segments[i] = escape(d)
	}
	p := strings.Join(segments, "/")
	if !strings.HasSuffix(p, "/") {
		p += "/"
	}
	return p, nil
}

// canonicalQuery sorts by decoded key and value. A key without `=` has the
// empty value: the Go SDK sends `k` and signs `k=`.
func canonicalQuery(raw string) (string, error) {
	var pairs [][2]string
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		var pair [2]string
		for i, s := range []string{k, v} {
			d, err := url.QueryUnescape(s)
			if err != nil {
				return "", fmt.Errorf("%w: %w", ErrRequest, err)
			}
			pair[i] = d
		}
		pairs = append(pairs, pair)
	}
	slices.SortFunc(pairs, func(a, b [2]string) int {
		if c := strings.Compare(a[0], b[0]); c != 0 {
			return c
		}
		return strings.Compare(a[1], b[1])
	})
	out := make([]string, len(pairs))
	for i, p := range pairs {
		out[i] = escape(p[0]) + "=" + escape(p[1])
	}
	return strings.Join(out, "&"), nil
}

// payloadHash returns the last line of the canonical request. A client may
// say the hash itself, or leave the body out; any other claim is a lie about
// the body, however well it is signed.
func payloadHash(h http.Header, body []byte) (string, error) {
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	claims := h.Values(HeaderSHA256)
	switch {
	case len(claims) == 0:
		return hash, nil
	case len(claims) == 1 && (claims[0] == UnsignedPayload || claims[0] == hash):
		return claims[0], nil
	}
	return "", fmt.Errorf("%w: %s is not the body's", ErrRequest, HeaderSHA256)
}

const upperHex = "0123456789ABCDEF"

// escape percent-encodes all but RFC 3986's unreserved characters.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if isAlphanumeric(c) || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
	}
	return b.String()
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
