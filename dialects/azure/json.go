package azure

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"unicode/utf8"
)

// What is wrong with JSON. None of these quotes it, but for twiceError.
var (
	errEmpty     = errors.New("empty")
	errNotUTF8   = errors.New("not valid UTF-8")
	errNotObject = errors.New("not a JSON object")
	errManyParts = errors.New("more members than any operation takes")
	errNotString = errors.New("not a string")
	errHalfPair  = errors.New("escapes half of a surrogate pair")
)

// twiceError is the folded name of a member that came twice: it may be anything.
type twiceError string

func (twiceError) Error() string { return "given twice" }

// maxMembers bounds the work for one object. Clients send fewer than twenty.
const maxMembers = 1000

// eachMember calls f for each member of a JSON object that is not null, its
// name folded. It refuses a name that comes twice, more than maxMembers of them,
// and anything beside the one object. What f gets is part of body: a blob has tens of megabytes, and is
// not to be held many times.
func eachMember(body []byte, fold func(string) string, f func(string, json.RawMessage) error) error {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return errEmpty
	case !utf8.Valid(body):
		return errNotUTF8
	case !json.Valid(body):
		return errNotObject
	}
	w := walker{b: body}
	if w.next() != '{' {
		return errNotObject
	}
	w.i++
	seen := map[string]bool{}
	for w.next() != '}' {
		key, err := text(w.value())
		key = fold(key)
		switch {
		case err != nil:
			return errNotObject
		case seen[key]:
			return twiceError(key)
		case len(seen) == maxMembers:
			return errManyParts
		}
		seen[key] = true
		w.next()
		w.i++ // the colon
		w.next()
		if raw := w.value(); string(raw) != "null" {
			if err := f(key, raw); err != nil {
				return err
			}
		}
		if w.next() == ',' {
			w.i++
		}
	}
	return nil
}

// walker goes over JSON that is known to be valid.
type walker struct {
	b []byte
	i int
}

// next passes over white space and returns what is there.
func (w *walker) next() byte {
	for ; ; w.i++ {
		switch w.b[w.i] {
		case ' ', '\t', '\r', '\n':
		default:
			return w.b[w.i]
		}
	}
}

// value passes over the value that begins here, and returns it.
func (w *walker) value() []byte {
	start := w.i
	switch w.b[w.i] {
	case '"':
		w.text()
	case '{', '[':
		w.nest()
	default:
		for w.i < len(w.b) && bytes.IndexByte([]byte(",]} \t\r\n"), w.b[w.i]) < 0 {
			w.i++
		}
	}
	return w.b[start:w.i]
}

func (w *walker) text() {
	for w.i++; w.b[w.i] != '"'; w.i++ {
		if w.b[w.i] == '\\' {
			w.i++
		}
	}
	w.i++
}

func (w *walker) nest() {
	for depth := 0; ; {
		switch w.b[w.i] {
		case '"':
			w.text()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		w.i++
		if depth == 0 {
			return
		}
	}
}

// plain returns the characters of a valid JSON string; of anything else it
// fails. One with half a surrogate pair is refused: Go would put another
// character in its place, and so change a secret.
func plain(raw []byte) ([]byte, error) {
	if len(raw) < 2 || raw[0] != '"' {
		return nil, errNotString
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var s string
	if json.Unmarshal(raw, &s) != nil || loneSurrogate(raw) {
		return nil, errHalfPair
	}
	return []byte(s), nil
}

// loneSurrogate reports whether a valid JSON string escapes half a pair.
func loneSurrogate(raw []byte) bool {
	high := false // the escape before was the first half of a pair
	for i := 0; i < len(raw); i++ {
		unit := uint64(0)
		if raw[i] == '\\' {
			i++
			if raw[i] == 'u' {
				unit, _ = strconv.ParseUint(string(raw[i+1:i+5]), 16, 16) // four hex digits: it is valid
				i += 4
			}
		}
		if isLow := unit >= 0xDC00 && unit < 0xE000; isLow != high {
			return true
		}
		high = unit >= 0xD800 && unit < 0xDC00
	}
	return high
}
