package azure

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/secret"
)

// Limits of the service.
const (
	maxValue       = 25_600 // bytes of UTF-8
	maxContentType = 255    // characters, as are the next two
	maxTagName     = 256
	maxTagValue    = 256
	maxTags        = 15
)

// errBody is every breach of the rules below. What a body holds never gets
// into an error: it may be the secret.
var errBody = errors.New("azure: the body breaks a rule")

func badBody() error { return &secret.Error{Kind: secret.Invalid, Err: errBody} }

// decodeSet reads the body of a SetSecret. As the service does, it takes
// member names without regard to case, passes over members it does not know
// (inferred; newer clients send more) and treats null as absent. It refuses
// what could be read in two ways: a member given twice, text that is no
// Unicode.
func decodeSet(body []byte) (secret.Draft, error) {
	var d secret.Draft
	err := eachMember(body, strings.ToLower, func(name string, raw json.RawMessage) error {
		var err error
		switch name {
		case "value":
			var s string
			s, err = text(raw)
			d.Value = secret.TextValue(s)
		case "contenttype":
			d.ContentType, err = text(raw)
		case "attributes":
			err = decodeAttributes(raw, &d)
		case "tags":
			d.Tags, err = decodeTags(raw)
		}
		return err
	})
	if err != nil || d.Value.IsNone() || d.Value.Len() > maxValue || utf8.RuneCountInString(d.ContentType) > maxContentType {
		return secret.Draft{}, badBody()
	}
	return d, nil
}

// decodeAttributes passes over the read-only ones, which clients send back.
func decodeAttributes(raw json.RawMessage, d *secret.Draft) error {
	return eachMember(raw, strings.ToLower, func(name string, raw json.RawMessage) error {
		var err error
		switch name {
		case "enabled":
			switch string(raw) {
			case "true":
			case "false":
				d.Disabled = true
			default:
				err = errBody
			}
		case "nbf":
			d.NotBefore, err = instant(raw)
		case "exp":
			d.Expires, err = instant(raw)
		}
		return err
	})
}

func decodeTags(raw json.RawMessage) (map[string]string, error) {
	tags := map[string]string{}
	err := eachMember(raw, asIs, func(name string, raw json.RawMessage) error {
		v, err := text(raw)
		tags[name] = v
		if utf8.RuneCountInString(name) > maxTagName || utf8.RuneCountInString(v) > maxTagValue {
			return errBody
		}
		return err
	})
	if err != nil || len(tags) > maxTags {
		return nil, errBody
	}
	return tags, nil
}

func asIs(s string) string { return s }

// decodeRestore returns the blob in the body of a RestoreSecret.
func decodeRestore(body []byte) ([]byte, error) {
	var blob []byte
	found := false
	err := eachMember(body, strings.ToLower, func(name string, raw json.RawMessage) error {
		if name != "value" {
			return nil
		}
		s, err := text(raw)
		if err != nil {
			return err
		}
		found = true
		blob, err = unwrap(s)
		return err
	})
	switch {
	case errors.Is(err, secret.Corrupt):
		return nil, err
	case err != nil || !found:
		return nil, badBody()
	}
	return blob, nil
}

// unwrap decodes base64url without padding, in its one canonical form. Go's
// decoder alone would pass over line ends.
func unwrap(s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, &secret.Error{Kind: secret.Corrupt}
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, &secret.Error{Kind: secret.Corrupt, Err: errBody}
	}
	return b, nil
}

// eachMember calls f for each member of a JSON object that is not null, its
// name folded. It refuses a name that comes twice, and anything beside the one
// object.
func eachMember(body []byte, fold func(string) string, f func(string, json.RawMessage) error) error {
	if !utf8.Valid(body) {
		return errBody
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errBody
	}
	seen := map[string]bool{}
	for dec.More() {
		var raw json.RawMessage
		key, err := dec.Token()
		if err != nil || dec.Decode(&raw) != nil {
			return errBody
		}
		name, ok := key.(string)
		if name = fold(name); !ok || seen[name] {
			return errBody
		}
		seen[name] = true
		if string(raw) == "null" {
			continue
		}
		if err := f(name, raw); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return errBody
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errBody
	}
	return nil
}

// text reads a JSON string. One with half a surrogate pair is refused: Go
// would put another character in its place, and so change a secret.
func text(raw json.RawMessage) (string, error) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil || loneSurrogate(raw) {
		return "", errBody
	}
	return s, nil
}

// loneSurrogate reports whether a valid JSON string escapes half a pair.
func loneSurrogate(raw []byte) bool {
	high := false
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			if high {
				return true
			}
			continue
		}
		i++
		if raw[i] != 'u' {
			if high {
				return true
			}
			continue
		}
		n, err := strconv.ParseUint(string(raw[i+1:i+5]), 16, 16)
		i += 4
		isLow := err == nil && n >= 0xDC00 && n < 0xE000
		if isLow != high {
			return true
		}
		high = err == nil && n >= 0xD800 && n < 0xDC00
	}
	return high
}

// maxInstant is the last second of the year 9999.
const maxInstant = 253_402_300_799

// instant reads whole seconds since 1970.
func instant(raw json.RawMessage) (time.Time, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 || n > maxInstant {
		return time.Time{}, errBody
	}
	return time.Unix(n, 0).UTC(), nil
}
