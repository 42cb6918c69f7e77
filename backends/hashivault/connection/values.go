package connection

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// MaxValue bounds a value so that its base64, with what the server adds,
// stays below the 1 MiB that the server sets a string and raft an entry.
const MaxValue = 700 << 10

// The server's own limits, below which a write is not answered with a 500: of
// a string, of a payload in bytes, of the members of an object, and of depth.
const (
	maxString  = 1 << 20
	MaxPayload = 1<<20 - 4<<10
	MaxMembers = 10_000
	maxDepth   = 100
)

// DefaultField is where a single value lies, unless the configuration says
// otherwise.
const DefaultField = "value"

// JSONType is the content type of several fields that no gateway wrote.
const JSONType = "application/json"

// EncodeValue returns the native fields of a value as JSON, and the form to
// keep. Without one, a single string under the field is text, and anything else
// is fields. The product would change how some fields are written, for its
// numbers are float64: of those the JSON is a text under the field.
func EncodeValue(field string, v secret.Value) (data []byte, form sidecar.Form, err error) {
	if v.Len() > MaxValue {
		return nil, "", secret.Errorf(secret.TooLarge, "the value is longer than %d bytes", MaxValue)
	}
	var s string
	switch b := v.Reveal(); v.Form() {
	case secret.Text:
		s = string(b)
	case secret.Binary:
		s, form = base64.StdEncoding.EncodeToString(b), sidecar.FormBytes
	case secret.Fields:
		if c, ok := Canonical(b, true); ok && bytes.Equal(b, c) {
			return b, FieldsForm(field, b), CheckPayload(b)
		}
		s, form = string(b), sidecar.FormObject
	default:
		return []byte("{}"), "", nil // of a version that holds no value
	}
	data = Marshal(map[string]string{field: s})
	return data, form, CheckPayload(data)
}

// FieldsForm is the form of fields that stay as they are.
func FieldsForm(field string, b []byte) sidecar.Form {
	if _, ok := single(field, b); ok {
		return sidecar.FormFields
	}
	return ""
}

// CheckPayload measures as the server stores: with HTML characters escaped.
func CheckPayload(data []byte) error {
	var escaped bytes.Buffer
	json.HTMLEscape(&escaped, data)
	if escaped.Len() > MaxPayload {
		return secret.Errorf(secret.TooLarge, "the value is longer than Vault takes, once written as JSON")
	}
	return nil
}

// DecodeValue reads native fields. The content type is that of a version
// without attributes of its own.
func DecodeValue(field string, data []byte, form sidecar.Form) (v secret.Value, contentType string, err error) {
	s, one := single(field, data)
	switch {
	case form == "" && one:
		return secret.TextBytes(s), "", nil
	case form == sidecar.FormObject && one:
		return secret.FieldsValue(s), "", nil
	case form == sidecar.FormBytes && one:
		b := make([]byte, base64.StdEncoding.DecodedLen(len(s)))
		n, err := base64.StdEncoding.Strict().Decode(b, s)
		if err != nil {
			return secret.Value{}, "", secret.Errorf(secret.Internal, "a value marked as base64 is none")
		}
		return secret.BinaryValue(b[:n]), "", nil
	}
	c, ok := Canonical(data, false)
	if !ok {
		return secret.Value{}, "", secret.Errorf(secret.Internal, "the product's answer is no JSON object")
	}
	return secret.FieldsValue(c), JSONType, nil
}

// SameFields reports whether two objects say the same.
func SameFields(a, b []byte) bool {
	a, ok := Canonical(a, false)
	b, ok2 := Canonical(b, false)
	return ok && ok2 && bytes.Equal(a, b)
}

// single returns the string that is the only member.
func single(field string, data []byte) ([]byte, bool) {
	var m map[string]Raw
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

// Canonical rewrites a JSON object with sorted keys and no white space.
// Strict, it writes numbers as the product gives them back, and fails where
// the product would refuse the object.
func Canonical(data []byte, strict bool) ([]byte, bool) {
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
	return Marshal(m), true
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
		return len(v) <= MaxMembers
	case []any:
		for _, e := range v {
			if !admissible(e, depth+1) {
				return false
			}
		}
		return len(v) <= MaxMembers
	}
	return true
}

// Marshal is JSON without the escapes for HTML. It is for what always
// marshals: maps, strings, numbers that were decoded.
func Marshal(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
