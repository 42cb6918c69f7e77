package azure

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
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
	p, err := decodeBody(body, func(raw json.RawMessage) error {
		s, err := text(raw)
		d.Value = secret.TextValue(s)
		return err
	})
	if err != nil || d.Value.IsNone() || d.Value.Len() > maxValue {
		return secret.Draft{}, badBody()
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
		return secret.Patch{}, badBody()
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
			if utf8.RuneCountInString(s) > maxContentType {
				return errBody
			}
			return err
		case "attributes":
			return decodeAttributes(raw, &p)
		case "tags":
			tags, err := decodeTags(raw)
			p.Tags = &tags
			return err
		}
		return nil
	})
	return p, err
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
				return errBody
			}
		case "nbf":
			p.NotBefore, err = instant(raw)
		case "exp":
			p.Expires, err = instant(raw)
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
		inner, err := plain(raw)
		if err != nil {
			return err
		}
		found = true
		blob, err = unwrap(inner)
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

// unwrap decodes base64url without padding, in its one canonical form, with
// white space around it at most: Go's decoder alone would pass over line ends
// within. What begins as a blob does comes from another API's clients.
func unwrap(s []byte) ([]byte, error) {
	s = bytes.Trim(s, wire.Blanks)
	if len(s) > 0 && s[0] == blobPrefix {
		return nil, refuse(secret.Corrupt, rawBlob)
	}
	if bytes.ContainsAny(s, "\r\n") {
		return nil, &secret.Error{Kind: secret.Corrupt}
	}
	b := make([]byte, base64.RawURLEncoding.DecodedLen(len(s)))
	if _, err := base64.RawURLEncoding.Strict().Decode(b, s); err != nil {
		return nil, &secret.Error{Kind: secret.Corrupt, Err: errBody}
	}
	return b, nil
}

// text reads a JSON string.
func text(raw json.RawMessage) (string, error) {
	b, err := plain(raw)
	return string(b), err
}

// maxInstant is the last second of the year 9999.
const maxInstant = 253_402_300_799

// instant reads whole seconds since 1970.
func instant(raw json.RawMessage) (*time.Time, error) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < 0 || n > maxInstant {
		return nil, errBody
	}
	t := time.Unix(n, 0).UTC()
	return &t, nil
}
