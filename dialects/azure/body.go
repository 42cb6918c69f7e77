package azure

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/secret"
)

// Limits of the service.
const (
	maxValue       = 25_600 // bytes of UTF-8
	maxContentType = 255    // characters, as are the next two
	maxTagName     = 512
	maxTagValue    = 512
	maxTags        = 15
)

// property refuses a member in the service's own words, which name none. What
// is named goes into the reason: members, the names of tags, sizes and limits.
// Never a value.
func property(member, format string, args ...any) error {
	return refuse(secret.Invalid, wrongProperty, member+": "+fmt.Sprintf(format, args...))
}

// unworded is property where the service's words are not known: the message is
// the reason.
func unworded(member, format string, args ...any) error {
	return secret.Errorf(secret.Invalid, "%s: %s", member, fmt.Sprintf(format, args...))
}

// members are the names that a body's own errors may say, by how they are read.
var members = map[string]string{
	"value": "value", "contenttype": "contentType", "attributes": "attributes", "tags": "tags",
	"enabled": "enabled", "nbf": "nbf", "exp": "exp",
}

// inBody tells what eachMember found in a body. An error of a member's own stays.
func inBody(err error) error {
	var twice twiceError
	switch {
	case errors.As(err, &twice) && members[string(twice)] != "":
		return property(members[string(twice)], "%v", twice)
	case errors.As(err, &twice):
		return property("body", "a member is given twice")
	case errors.Is(err, errEmpty), errors.Is(err, errNotUTF8), errors.Is(err, errNotObject), errors.Is(err, errManyParts):
		return unworded("body", "%v", err)
	}
	return err
}

// inMember is inBody for an object within.
func inMember(member string, err error) error {
	var twice twiceError
	switch {
	case errors.As(err, &twice) && members[string(twice)] != "":
		return property(member+"."+members[string(twice)], "%v", twice)
	case errors.As(err, &twice):
		return property(member, "a member is given twice")
	case errors.Is(err, errNotObject):
		return property(member, "not an object")
	case errors.Is(err, errManyParts):
		return property(member, "%v", err)
	}
	return err
}

// decodeSet reads the body of a SetSecret. As the service does, it takes
// member names without regard to case, passes over members it does not know
// (inferred; newer clients send more) and treats null as absent. It refuses
// what could be read in two ways: a member given twice, text that is no
// Unicode.
func decodeSet(body []byte) (secret.Draft, error) {
	var d secret.Draft
	p, err := decodeBody(body, func(raw json.RawMessage) error {
		s, err := text(raw)
		switch {
		case err != nil:
			return property("value", "%v", err)
		case len(s) > maxValue:
			return property("value", "%d bytes, at most %d", len(s), maxValue)
		}
		d.Value = secret.TextValue(s)
		return nil
	})
	switch {
	case err != nil:
		return secret.Draft{}, err
	case d.Value.IsNone():
		return secret.Draft{}, unworded("value", "missing")
	}
	d.ContentType, d.Disabled = deref(p.ContentType), deref(p.Disabled)
	d.NotBefore, d.Expires, d.Tags = deref(p.NotBefore), deref(p.Expires), deref(p.Tags)
	return d, nil
}

func deref[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// decodeUpdate reads the body of an UpdateSecret by the rules of decodeSet. It
// passes over a value, for none can be changed.
func decodeUpdate(body []byte) (secret.Patch, error) {
	p, err := decodeBody(body, func(json.RawMessage) error { return nil })
	if err != nil {
		return secret.Patch{}, err
	}
	return p, nil
}

func decodeBody(body []byte, value func(json.RawMessage) error) (secret.Patch, error) {
	var p secret.Patch
	err := eachMember(body, strings.ToLower, func(name string, raw json.RawMessage) error {
		switch name {
		case "value":
			return value(raw)
		case "contenttype":
			s, err := text(raw)
			p.ContentType = &s
			n := utf8.RuneCountInString(s)
			switch {
			case err != nil:
				return property("contentType", "%v", err)
			case n > maxContentType:
				return property("contentType", "%d characters, at most %d", n, maxContentType)
			}
		case "attributes":
			return inMember("attributes", decodeAttributes(raw, &p))
		case "tags":
			tags, err := decodeTags(raw)
			p.Tags = &tags
			return err
		}
		return nil
	})
	return p, inBody(err)
}

// decodeAttributes passes over the read-only ones, which clients send back.
func decodeAttributes(raw json.RawMessage, p *secret.Patch) error {
	return eachMember(raw, strings.ToLower, func(name string, raw json.RawMessage) error {
		var err error
		switch name {
		case "enabled":
			disabled := string(raw) == "false"
			p.Disabled = &disabled
			if !disabled && string(raw) != "true" {
				return property("attributes.enabled", "neither true nor false")
			}
		case "nbf":
			p.NotBefore, err = instant("attributes.nbf", raw)
		case "exp":
			p.Expires, err = instant("attributes.exp", raw)
		}
		return err
	})
}

func decodeTags(raw json.RawMessage) (map[string]string, error) {
	tags := map[string]string{}
	err := eachMember(raw, asIs, func(name string, raw json.RawMessage) error {
		v, err := text(raw)
		tags[name] = v
		long, longValue := utf8.RuneCountInString(name), utf8.RuneCountInString(v)
		switch {
		case long > maxTagName:
			return property("tags", "a name has %d characters, at most %d", long, maxTagName)
		case err != nil:
			return property("tags", "the value of %q: %v", name, err)
		case longValue > maxTagValue:
			return property("tags", "the value of %q has %d characters, at most %d", name, longValue, maxTagValue)
		}
		return nil
	})
	var twice twiceError
	switch {
	case errors.As(err, &twice):
		return nil, property("tags", "%.300q is given twice", string(twice))
	case err != nil:
		return nil, inMember("tags", err)
	case len(tags) > maxTags:
		return nil, unworded("tags", "%d, at most %d", len(tags), maxTags)
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
		inner, err := plain(raw)
		if err != nil {
			return property("value", "%v", err)
		}
		found = true
		blob, err = unwrap(inner)
		return err
	})
	switch {
	case err != nil:
		return nil, inBody(err)
	case !found:
		return nil, unworded("value", "missing")
	}
	return blob, nil
}

// unwrap decodes base64url without padding, in its one canonical form, with
// white space around it at most: Go's decoder alone would pass over line ends
// within. What begins as a blob does comes from another API's clients.
func unwrap(s []byte) ([]byte, error) {
	s = bytes.Trim(s, wire.Blanks)
	if len(s) > 0 && s[0] == blobPrefix {
		return nil, refuse(secret.Corrupt, rawBlob, "value: a backup as it is, not its base64url form")
	}
	notBase64 := secret.Errorf(secret.Corrupt, "value: not base64url without padding")
	if bytes.ContainsAny(s, "\r\n") {
		return nil, notBase64
	}
	b := make([]byte, base64.RawURLEncoding.DecodedLen(len(s)))
	if _, err := base64.RawURLEncoding.Strict().Decode(b, s); err != nil {
		return nil, notBase64
	}
	return b, nil
}

// text reads a JSON string.
func text(raw json.RawMessage) (string, error) {
	b, err := plain(raw)
	return string(b), err
}

// instant reads seconds since 1970, of the years 1 to 9999: those before 1970 are
// taken (reported). go-autorest sends a fraction where its caller's time has
// one; it is cut, for the service shows whole seconds (inferred).
func instant(member string, raw json.RawMessage) (*time.Time, error) {
	s, err := strconv.ParseFloat(string(raw), 64) // whole seconds of these years are exact
	if err != nil || s < secret.MinSecond || s >= secret.MaxSecond+1 {
		return nil, property(member, "not a number of seconds from %d to %d", secret.MinSecond, secret.MaxSecond)
	}
	return new(secret.AtFraction(s)), nil
}
