package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"slices"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// contentOf is what the digest of a value is over: its canonical JSON where it is
// fields, or the text of a JSON object under a JSON content type, for products
// keep either as the other. Else its bytes.
func contentOf(v secret.Value, contentType string) (kind string, content []byte) {
	b := v.Reveal()
	if v.Form() == secret.Fields || (v.Form() == secret.Text && isJSON(contentType)) {
		if c, err := canonicalObject(b); err == nil {
			return "json", c
		}
	}
	return "bytes", b
}

// isJSON: application/json, or any type that ends in +json, whatever its parameters.
func isJSON(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	return kind == "application/json" || (strings.Contains(kind, "/") && strings.HasSuffix(kind, "+json"))
}

var errNotCanonical = errors.New("no JSON object with one meaning")

// canonicalObject writes a JSON object in its one form: members sorted by the
// bytes of their names, no white space, strings with the fewest escapes, numbers
// exact. It refuses what is no object, and objects with a member twice.
func canonicalObject(b []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	first, err := dec.Token()
	if err != nil || first != json.Delim('{') {
		return nil, errNotCanonical
	}
	out, err := appendMembers(nil, dec, 1)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotCanonical
	}
	return out, nil
}

// canonicalMember is any JSON in its one form, or as it is where it has none.
func canonicalMember(raw json.RawMessage) []byte {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	out, err := appendValue(nil, dec, 1)
	if err != nil {
		return raw
	}
	return out
}

// deepest bounds nesting, as encoding/json does.
const deepest = 10_000

func appendValue(out []byte, dec *json.Decoder, depth int) ([]byte, error) {
	t, err := dec.Token()
	if err != nil {
		return nil, err
	}
	if depth > deepest {
		return nil, errNotCanonical
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return appendMembers(out, dec, depth+1)
		}
		return appendItems(out, dec, depth+1)
	case json.Number:
		return appendNumber(out, t.String())
	case string:
		return appendString(out, t), nil
	case bool:
		if t {
			return append(out, "true"...), nil
		}
		return append(out, "false"...), nil
	}
	return append(out, "null"...), nil
}

func appendItems(out []byte, dec *json.Decoder, depth int) ([]byte, error) {
	out = append(out, '[')
	for first := true; dec.More(); first = false {
		if !first {
			out = append(out, ',')
		}
		var err error
		if out, err = appendValue(out, dec, depth); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return append(out, ']'), err
}

func appendMembers(out []byte, dec *json.Decoder, depth int) ([]byte, error) {
	type member struct {
		name string
		text []byte
	}
	var all []member
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, _ := t.(string) // no other token comes here
		text, err := appendValue(nil, dec, depth)
		if err != nil {
			return nil, err
		}
		all = append(all, member{name, text})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.name, b.name) })
	out = append(out, '{')
	for i, m := range all {
		if i > 0 {
			if all[i-1].name == m.name {
				return nil, errNotCanonical
			}
			out = append(out, ',')
		}
		out = append(append(appendString(out, m.name), ':'), m.text...)
	}
	return append(out, '}'), nil
}

func appendString(out []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ':
			out = append(out, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// longestExponent bounds what is computed with: 1e9999999999 stays as it is.
const longestExponent = 9

// appendNumber writes a number as an integer without trailing zeros and a power
// of ten: 1.50 is 15e-1, 100 is 1e2, 0 is 0.
func appendNumber(out []byte, literal string) ([]byte, error) {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(literal), "e")
	if len(exponent) > longestExponent {
		return append(out, literal...), nil
	}
	power := new(big.Int)
	if exponent != "" {
		if _, ok := power.SetString(strings.TrimPrefix(exponent, "+"), 10); !ok {
			return nil, errNotCanonical
		}
	}
	digits, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	power.Sub(power, big.NewInt(int64(len(fraction))))
	digits = strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		return append(out, '0'), nil
	}
	short := strings.TrimRight(digits, "0")
	power.Add(power, big.NewInt(int64(len(digits)-len(short))))
	if negative {
		out = append(out, '-')
	}
	out = append(out, short...)
	if power.Sign() != 0 {
		out = append(append(out, 'e'), power.String()...)
	}
	return out, nil
}
