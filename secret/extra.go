package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
)

// Extra keeps what one vendor alone understands, under keys that begin with
// the vendor's name ("azure.name", "huawei.secret_type"), so that a backup
// restored through the same dialect loses nothing. It may hold secrets, so it
// prints as a value does; read members by key.
type Extra map[string]json.RawMessage

// Clone returns a copy that shares no map with e.
func (e Extra) Clone() Extra { return maps.Clone(e) }

// Equal reports whether both have the same members, as JSON: a product may write
// an object's members in another order, or with other blanks between.
func (e Extra) Equal(other Extra) bool { return maps.EqualFunc(e, other, sameJSON) }

func sameJSON(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, errX := parseJSON(a)
	y, errY := parseJSON(b)
	return errX == nil && errY == nil && reflect.DeepEqual(x, y)
}

// parseJSON keeps numbers as they are written.
func parseJSON(raw json.RawMessage) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err = d.Decode(&v); err == nil && d.More() {
		err = errors.New("more than one value")
	}
	return v, err
}

// Text returns the member as a string, or "" where it is absent or no string.
func (e Extra) Text(key string) string {
	raw, ok := e[key]
	if !ok {
		return ""
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// WithText returns a copy of e in which key holds the string s.
func (e Extra) WithText(key, s string) Extra {
	c := e.Clone()
	if c == nil {
		c = Extra{}
	}
	b, err := json.Marshal(s)
	if err != nil { // a string always marshals
		panic(err)
	}
	c[key] = b
	return c
}

// String never discloses.
func (e Extra) String() string { return Redacted }

// GoString never discloses.
func (e Extra) GoString() string { return Redacted }

// Format never discloses, whatever the verb.
func (e Extra) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// LogValue never discloses.
func (e Extra) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalJSON always fails; encoders of documents walk the members.
func (e Extra) MarshalJSON() ([]byte, error) { return nil, ErrNotMarshalable }

// MarshalYAML always fails.
func (e Extra) MarshalYAML() (any, error) { return nil, ErrNotMarshalable }
