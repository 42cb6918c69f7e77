package sdkhmac

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
)

// canonicalHash hashes what the client hashed and signed: payload is its last
// line.
func canonicalHash(r *http.Request, payload string, signed []string) ([sha256.Size]byte, error) {
	b := make([]byte, 0, 1024) // most requests fit, and stay off the heap
	b = append(append(b, r.Method...), '\n')
	b = append(appendPath(b, r.URL.Path), '\n')
	b, err := appendQuery(b, r.URL.RawQuery)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	b = append(b, '\n')
	for _, name := range signed {
		v, err := headerValue(r, name)
		if err != nil {
			return [sha256.Size]byte{}, err
		}
		b = append(append(append(append(b, name...), ':'), v...), '\n')
	}
	for i, name := range signed {
		separator := byte(';')
		if i == 0 {
			separator = '\n'
		}
		b = append(append(b, separator), name...)
	}
	return sha256.Sum256(append(append(b, '\n'), payload...)), nil
}

// appendPath takes the decoded path: an escaped slash divides as any other
// does. The result ends in a slash, which the path on the wire need not.
func appendPath(b []byte, path string) []byte {
	for {
		segment, rest, more := strings.Cut(path, "/")
		b = appendEscaped(b, segment)
		if !more {
			break
		}
		b, path = append(b, '/'), rest
	}
	if b[len(b)-1] != '/' {
		b = append(b, '/')
	}
	return b
}

type parameter struct{ key, value string }

// appendQuery sorts by decoded key and value. A key without `=` has the empty
// value: the Go SDK sends `k` and signs `k=`.
func appendQuery(b []byte, raw string) ([]byte, error) {
	pairs := make([]parameter, 0, 8)
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRequest, err)
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrRequest, err)
		}
		pairs = append(pairs, parameter{key, value})
	}
	slices.SortFunc(pairs, func(p, q parameter) int {
		if c := strings.Compare(p.key, q.key); c != 0 {
			return c
		}
		return strings.Compare(p.value, q.value)
	})
	for i, p := range pairs {
		if i > 0 {
			b = append(b, '&')
		}
		b = appendEscaped(append(appendEscaped(b, p.key), '='), p.value)
	}
	return b, nil
}

// headerValue returns the one value of a signed header. Two lines of one name
// are refused: a client signs one of them, and a handler might read the other.
// The host is the one that the request was sent to, port included; a Host
// header beside HTTP/2's :authority is not it.
func headerValue(r *http.Request, name string) (string, error) {
	if name == "host" {
		return strings.TrimSpace(r.Host), nil
	}
	values := r.Header[textproto.CanonicalMIMEHeaderKey(name)]
	if len(values) != 1 {
		return "", fmt.Errorf("%w: %d lines of the signed header %s", ErrRequest, len(values), name)
	}
	return strings.TrimSpace(values[0]), nil
}

// payloadOf is the last line of the canonical request. A client may say the
// hash itself, or leave the body out; any other claim is a lie about the body,
// however well it is signed.
func payloadOf(h http.Header, body []byte) (string, error) {
	claim, claimed, err := Claim(h)
	if err != nil || claimed && claim == UnsignedPayload {
		return claim, err
	}
	sum := sha256.Sum256(body)
	payload := hex.EncodeToString(sum[:])
	if claimed && claim != payload {
		return "", fmt.Errorf("%w: %s is not the body's", ErrRequest, HeaderSHA256)
	}
	return payload, nil
}

// Claim is what the client says the body's hash to be, if it does: in hex, or
// UnsignedPayload.
func Claim(h http.Header) (claim string, ok bool, err error) {
	switch all := h.Values(HeaderSHA256); len(all) {
	case 0:
		return "", false, nil
	case 1:
		return all[0], true, nil
	default:
		return "", false, fmt.Errorf("%w: %d lines of %s", ErrRequest, len(all), HeaderSHA256)
	}
}

// appendEscaped percent-encodes all but RFC 3986's unreserved characters.
func appendEscaped(b []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if c := s[i]; isUnreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	return b
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == '~'
}
