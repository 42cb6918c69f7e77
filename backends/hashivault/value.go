package hashivault

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"

	"github.com/vaultferry/vaultferry/secret"
)

// maxValue bounds a value so that its base64, with what the server adds,
// stays below the 1 MiB that the server sets a string and raft an entry.
const maxValue = 700 << 10

// The server's own limits, below which a write is not answered with a 500.
const (
	maxString  = 1 << 20
	maxPayload = 1<<20 - 4<<10
	maxMembers = 10_000
	maxDepth   = 100
)

// How the bytes of a version relate to its native fields. Without a mark, a
// single string under the configured field is text, anything else is fields.
const (
	formNatural    = ""
	formBinary     = "b" // base64 under the field
	formFields     = "f" // fields that would read as text
	formFieldsText = "j" // fields the product would change (its numbers are float64), as JSON text under the field
)

const jsonType = "application/json"

// encodeValue returns the native fields as JSON, and the mark to keep.
func encodeValue(field string, v secret.Value) (data []byte, form string, err error) {
	if v.Len() > maxValue {
		return nil, "", secret.Errorf(secret.TooLarge, "the value is longer than %d bytes", maxValue)
	}
	var s string
	switch b := v.Reveal(); v.Form() {
	case secret.Text:
		s = string(b)
	case secret.Binary:
		s, form = base64.StdEncoding.EncodeToString(b), formBinary
	case secret.Fields:
		if c, ok := canonical(b, true); ok && bytes.Equal(b, c) {
			return b, fieldsForm(field, b), checkPayload(b)
		}
		s, form = string(b), formFieldsText
	default:
		return []byte("{}"), formNatural, nil // of a version that holds no value
	}
	data = marshal(map[string]string{field: s})
	return data, form, checkPayload(data)
}

func fieldsForm(field string, b []byte) string {
	if _, ok := single(field, b); ok {
		return formFields
	}
	return formNatural
}

// checkPayload measures as the server stores: with HTML characters escaped.
func checkPayload(data []byte) error {
	var escaped bytes.Buffer
	json.HTMLEscape(&escaped, data)
	if escaped.Len() > maxPayload {
		return secret.Errorf(secret.TooLarge, "the value is longer than Vault takes, once written as JSON")
	}
	return nil
}

// decodeValue reads native fields. The content type is that of a version
// without attributes of its own.
func decodeValue(field string, data []byte, form string) (v secret.Value, contentType string, err error) {
	s, one := single(field, data)
	switch {
	case form == formNatural && one:
		return secret.TextBytes(s), "", nil
	case form == formFieldsText && one:
		return secret.FieldsValue(s), "", nil
	case form == formBinary && one:
		b := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
		n, err := base64.StdEncoding.Strict().Decode(b, s)
		if err != nil {
			return secret.Value{}, "", secret.Errorf(secret.Internal, "a value marked as base64 is none")
		}
		return secret.BinaryValue(b[:n]), "", nil
	}
	c, ok := canonical(data, false)
	if !ok {
		return secret.Value{}, "", secret.Errorf(secret.Internal, "the product's answer is no JSON object")
	}
	return secret.FieldsValue(c), jsonType, nil
}

// single returns the string that is the only member.
func single(field string, data []byte) ([]byte, bool) {
	var m map[string]member
	if json.Unmarshal(data, &m) != nil || len(m) != 1 {
		return nil, false
	}
	raw, ok := m[field]
	if !ok || len(raw) == 0 || raw[0] != '"' {
		return nil, false
	}
	var s characters
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// characters are those of a JSON string, for who wants them as bytes.
type characters []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *characters) UnmarshalText(b []byte) error {
	*c = bytes.Clone(b)
	return nil
}

// canonical rewrites a JSON object with sorted keys and no white space.
// Strict, it writes numbers as the product gives them back, and fails where
// the product would refuse the object.
func canonical(data []byte, strict bool) ([]byte, bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	if !strict {
		d.UseNumber()
	}
	m := map[string]any{}
	if d.Decode(&m) != nil {
		return nil, false
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, false
	}
	if strict && !admissible(m, 1) {
		return nil, false
	}
	if m == nil { // a native null
		m = map[string]any{}
	}
	return marshal(m), true
}

func admissible(v any, depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if len(k) > maxString/8 || !admissible(e, depth+1) {
				return false
			}
		}
		return len(v) <= maxMembers
	case []any:
		for _, e := range v {
			if !admissible(e, depth+1) {
				return false
			}
		}
		return len(v) <= maxMembers
	}
	return true
}

// marshal is JSON without the escapes for HTML. It is for what always
// marshals: maps, strings, numbers that were decoded.
func marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
