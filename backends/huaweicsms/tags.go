package huaweicsms

import (
	"encoding/base64"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of the tags of a secret.
const (
	maxTags     = 20
	maxTagKey   = 128 // characters
	maxTagValue = 255
)

// escapedTag begins a key or a value that the product's alphabet lacks letters
// for: base64url of its UTF-8 follows. What merely looks so is escaped too.
const escapedTag = "b64."

// spellTags writes tags as the product takes them, or says why it cannot.
func spellTags(tags map[string]string) (spelt map[string]string, why string) {
	if len(tags) > maxTags {
		return nil, "CSMS holds 20 tags of a secret"
	}
	spelt = make(map[string]string, len(tags))
	for k, v := range tags {
		key, value := spellTag(k, tagKey), spellTag(v, tagValue)
		if utf8.RuneCountInString(key) > maxTagKey || utf8.RuneCountInString(value) > maxTagValue {
			return nil, "a tag is too long for CSMS"
		}
		spelt[key] = value
	}
	return spelt, ""
}

// readTags is the reverse. Of two keys that mean one the plain one counts.
func readTags(spelt map[string]string) map[string]string {
	if len(spelt) == 0 {
		return nil
	}
	tags := make(map[string]string, len(spelt))
	for k, v := range spelt {
		key, value := readTag(k, tagKey), readTag(v, tagValue)
		if _, twin := spelt[key]; twin && key != k && readTag(key, tagKey) == key {
			continue
		}
		tags[key] = value
	}
	return tags
}

func spellTag(s string, plain func(string) bool) string {
	if plain(s) && readTag(s, plain) == s {
		return s
	}
	return escapedTag + base64.RawURLEncoding.EncodeToString([]byte(s))
}

// readTag takes an escape for one only if it is the one escape of a text that
// needs it.
func readTag(s string, plain func(string) bool) string {
	rest, ok := strings.CutPrefix(s, escapedTag)
	if !ok {
		return s
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || !utf8.Valid(b) || base64.RawURLEncoding.EncodeToString(b) != rest {
		return s
	}
	if t := string(b); !plain(t) || readTag(t, plain) != t {
		return t
	}
	return s
}

func tagKey(s string) bool {
	return s != "" && !strings.HasPrefix(s, "_sys_") && strings.TrimFunc(s, unicode.IsSpace) == s && tagText(s, "_.:=+-@")
}

func tagValue(s string) bool { return tagText(s, "_.:/=+-@") }

// tagText is the alphabet of the documents: \p{L}, \p{Z}, \p{N} and more.
func tagText(s, more string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool {
		return !unicode.In(c, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune(more, c)
	})
}
