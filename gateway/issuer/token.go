package issuer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/textfile"
)

// maxToken bounds what is looked at, in bytes: Entra's tokens with as many groups
// as it puts into one have some 12 KiB.
const maxToken = 32 << 10

// maxHeader bounds its first part, which goes back where nobody knows its key.
const maxHeader = 4 << 10

// token is one whose signature nobody has looked at yet.
type token struct {
	raw    string
	head   string // its first part, as sent
	header header
	claims claims
}

// header is what a token says of its key.
type header struct{ alg, kid string }

// types are those that are a token of an issuer's: whatever else it signs, such
// as a logout token, is none.
var types = []string{"", "jwt", "jose", "at+jwt", "application/at+jwt"}

var encoding = base64.RawURLEncoding.Strict()

// parse reads what has the form of a token: three parts of base64url, each in the
// one form that it encodes to, the first two JSON objects.
func parse(raw string) (*token, error) {
	unknown := &access.TokenError{Fault: access.UnknownToken}
	parts := strings.Split(raw, ".")
	if len(raw) > maxToken || len(parts) != 3 || len(parts[0]) > maxHeader || parts[2] == "" {
		return nil, unknown
	}
	var decoded [3][]byte
	for i, p := range parts {
		b, err := encoding.DecodeString(p)
		if err != nil || strings.ContainsAny(p, "\r\n") { // which the decoder skips
			return nil, unknown
		}
		decoded[i] = b
	}
	t, err := &token{raw: raw, head: parts[0]}, error(nil)
	if t.header, err = parseHeader(decoded[0]); err != nil {
		return nil, unknown
	}
	if t.claims, err = parseClaims(decoded[1]); err != nil {
		return nil, unknown
	}
	return t, nil
}

var errHeader = errors.New("not the header of a token")

// parseHeader takes no extension that must be understood.
func parseHeader(b []byte) (header, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(b, &members) != nil || members == nil {
		return header{}, errHeader
	}
	var h header
	var typ string
	for name, into := range map[string]*string{"alg": &h.alg, "kid": &h.kid, "typ": &typ} {
		if raw, ok := members[name]; ok && json.Unmarshal(raw, into) != nil {
			return header{}, errHeader
		}
	}
	_, critical := members["crit"]
	_, detached := members["b64"]
	if critical || detached || h.alg == "" || !slices.Contains(types, strings.ToLower(typ)) {
		return header{}, errHeader
	}
	return h, nil
}

// claims are the payload of a token.
type claims map[string]any

func parseClaims(b []byte) (claims, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var c claims
	if err := d.Decode(&c); err != nil || c == nil {
		return nil, errors.New("not the claims of a token")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than the claims of a token")
	}
	return c, nil
}

// at finds a claim by its name, or by a JSON pointer (RFC 6901) through objects.
func (c claims) at(name string) any {
	if !strings.HasPrefix(name, "/") { // almost all: nothing is allocated
		return c[name]
	}
	var in any = map[string]any(c)
	for _, step := range access.ClaimPath(name) {
		members, ok := in.(map[string]any)
		if !ok {
			return nil
		}
		in = members[step]
	}
	return in
}

// texts are the values of a claim: of a list each. What is no text, number or
// boolean is none.
func (c claims) texts(name string) []string {
	in := c.at(name)
	list, ok := in.([]any)
	if !ok {
		list = []any{in}
	}
	var all []string
	for _, v := range list {
		switch v := v.(type) {
		case string:
			all = append(all, v)
		case json.Number:
			all = append(all, v.String())
		case bool:
			all = append(all, fmt.Sprint(v))
		}
	}
	return all
}

// text is a claim that is a text.
func (c claims) text(name string) string {
	s, _ := c.at(name).(string)
	return s
}

// issuerOf is the iss of the token in a file. That it is good the gateway takes
// from where the file is.
func issuerOf(file string) (string, error) {
	b, err := readBounded(file, maxToken)
	if err != nil {
		return "", err
	}
	t, err := parse(strings.TrimSpace(string(b)))
	if err != nil {
		return "", fmt.Errorf("%s holds no token", file)
	}
	if !strings.HasPrefix(t.claims.text("iss"), "https://") {
		return "", fmt.Errorf("the token in %s names no issuer with an https URL: set issuer and jwks_url", file)
	}
	return t.claims.text("iss"), nil
}

// readBounded reads a text, as an editor or a shell may have saved it.
func readBounded(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", file, most)
	}
	if err != nil {
		return nil, err
	}
	if b, err = textfile.Decode(b); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}

// trustDomain is that of an URL of SPIFFE; else empty.
func trustDomain(url string) string {
	rest, ok := strings.CutPrefix(url, "spiffe://")
	if !ok {
		return ""
	}
	domain, _, _ := strings.Cut(rest, "/")
	return domain
}
