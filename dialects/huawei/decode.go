package huawei

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

// decode reads a JSON object into a flat struct. It refuses what a lenient
// decoder would bend: invalid UTF-8 and lone surrogates (a value would change
// silently), repeated members, members of another spelling. It looks at the
// members first: of those that it refuses there may be millions.
func decode(body []byte, into any) error {
	switch trimmed := bytes.TrimSpace(body); {
	case len(trimmed) == 0:
		return badFormat("the body is empty")
	case !utf8.Valid(body):
		return badFormat("the body is not valid UTF-8")
	case string(trimmed) == "null", !json.Valid(body):
		return badFormat("the body is not a JSON object")
	case trimmed[0] != '{':
		return badFormat(otherBody)
	case loneSurrogate(body):
		return badFormat("the body escapes half of a surrogate pair")
	}
	if err := checkMembers(body, members(into)); err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return badFormat(misfit(err))
	}
	return nil
}

const otherBody = "the body is not the JSON object that this operation takes"

// misfit says what is wrong with a body that does not decode, and quotes
// nothing of it: the name of a member is our own.
func misfit(err error) string {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	switch {
	case !ok:
		return "the body is not a JSON object"
	case wrong.Field == "":
		return otherBody
	}
	return wrong.Field + " is not of the type that this operation takes"
}

// checkMembers needs valid JSON. It copies no value: a backup may be large.
func checkMembers(body []byte, known map[string]bool) error {
	seen := map[string]bool{}
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := stringEnd(body, i)
			if depth == 1 && isKey(body[end:]) {
				var key string
				if err := json.Unmarshal(body[i:end], &key); err != nil || !known[key] {
					return badFormat("the body has a member that this operation does not know: it takes " + strings.Join(slices.Sorted(maps.Keys(known)), ", "))
				}
				if seen[key] {
					return badFormat(key + " stands twice in the body")
				}
				seen[key] = true
			}
			i = end - 1
		}
	}
	return nil
}

// stringEnd returns the index after the string that starts at start.
func stringEnd(body []byte, start int) int {
	for i := start + 1; i < len(body); i++ {
		switch body[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(body)
}

// isKey reports whether a string that rest follows names a member.
func isKey(rest []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(":"))
}

// members are the JSON names of the fields of a pointer to a struct.
func members(into any) map[string]bool {
	names := map[string]bool{}
	for f := range reflect.TypeOf(into).Elem().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}

// loneSurrogate finds a \uD8xx to \uDFxx without its other half. It needs
// valid JSON, where a backslash stands in strings alone.
func loneSurrogate(body []byte) bool {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		high := surrogate(body[i:])
		switch {
		case high < 0:
			i++ // another escape: two bytes matter, and \uXXXX has no backslash in it
		case high >= 0xDC00 || i+6 >= len(body) || surrogate(body[i+6:]) < 0xDC00:
			return true
		default:
			i += 11
		}
	}
	return false
}

// surrogate returns the surrogate that b begins with, or -1.
func surrogate(b []byte) int {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil || n < 0xD800 || n > 0xDFFF {
		return -1
	}
	return int(n)
}

const (
	maxValue       = 32768 // of the text on the wire, so of base64 for binary
	maxDescription = 2048
	maxExpire      = 9999999999999
)

// readValue wants exactly one of the two.
func readValue(text, binary *string) (secret.Value, error) {
	switch {
	case (text == nil) == (binary == nil):
		return secret.Value{}, secret.Errorf(secret.Invalid, "exactly one of secret_string and secret_binary is needed")
	case text != nil && len(*text) > maxValue:
		return secret.Value{}, secret.Errorf(secret.Invalid, "secret_string is longer than %d bytes", maxValue)
	case text != nil:
		return secret.TextValue(*text), nil
	case len(*binary) > maxValue:
		return secret.Value{}, secret.Errorf(secret.Invalid, "secret_binary is longer than %d bytes", maxValue)
	}
	b, err := base64.StdEncoding.DecodeString(*binary)
	if err != nil || base64.StdEncoding.EncodeToString(b) != *binary {
		return secret.Value{}, secret.Errorf(secret.Invalid, "secret_binary is not standard base64 with padding")
	}
	return secret.BinaryValue(b), nil
}

// readExpire floors to whole seconds, as the service does.
func readExpire(ms *int64) (time.Time, error) {
	switch {
	case ms == nil:
		return time.Time{}, nil
	case *ms < 0 || *ms > maxExpire:
		return time.Time{}, secret.Errorf(secret.Invalid, "expire_time is not between 0 and %d", int64(maxExpire))
	}
	return time.Unix(*ms/1000, 0).UTC(), nil
}
