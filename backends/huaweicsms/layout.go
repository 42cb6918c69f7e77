package huaweicsms

import (
	"encoding/json"
	"maps"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

const (
	noRoom        = "CSMS has no place for it but the description of 2048 bytes, and that is full"
	tooManyLabels = "CSMS holds 12 stages of a secret, the two roles among them"
	badLabel      = "CSMS takes stages of 1 to 64 letters, digits, hyphens, underscores and dots, and some names are taken"
)

// attribute is one that the product lacks, or cuts.
type attribute struct {
	what string
	held bool
	set  func(*entry)
}

// attributes of v, the least dispensable first.
func attributes(v *secret.Version) []attribute {
	return []attribute{
		{loss.NotBefore, !v.NotBefore.IsZero(), func(e *entry) { e.NotBefore = compact(v.NotBefore) }},
		{loss.ContentType, v.ContentType != "", func(e *entry) { e.Type = v.ContentType }},
		{loss.Tags, v.Tags != nil, func(e *entry) { e.Tags = maps.Clone(v.Tags) }},
		{loss.Extra, len(v.Extra) > 0, func(e *entry) { e.Extra = sidecar.Members(v.Extra.Clone()) }},
		{loss.ExpiresFraction, v.Expires.Nanosecond() != 0, func(e *entry) { e.Expires = compact(v.Expires) }},
	}
}

// fill puts all attributes of v into e, in place of what is there.
func (e *entry) fill(v *secret.Version) {
	e.NotBefore, e.Type, e.Tags, e.Extra, e.Expires = sidecar.Time{}, "", nil, nil, sidecar.Time{}
	for _, a := range attributes(v) {
		if a.held {
			a.set(e)
		}
	}
	e.Disabled = v.Disabled
}

// identify puts the identity of v into e.
func (e *entry) identify(v *secret.Version) {
	e.UID, e.Created = sidecar.UID(v.UID), compact(v.Created)
	e.Updated = sidecar.Time{}
	if !v.Updated.Equal(v.Created) {
		e.Updated = compact(v.Updated)
	}
}

// formOf is the form of a value that the product does not tell.
func formOf(v secret.Value) string {
	switch {
	case v.Form() == secret.Fields:
		return formFields
	case v.Form() == secret.Binary && v.Len() == 0:
		return formBinary
	}
	return ""
}

// fits reports whether the product takes the description, with some bytes to
// spare, and it reads again as what was meant.
func fits(wire, human string, t *trailer, spare int) bool {
	d := join(wire, human, t)
	if len(d) > maxDescription-spare {
		return false
	}
	back, read := split(wire, d)
	return back == human && (read != nil || t.empty())
}

// valueProblem says why the product cannot hold the value, and of which kind
// the refusal is; "" where it can.
func valueProblem(v secret.Value) (secret.Kind, string) {
	size := v.Len()
	if v.Form() == secret.Binary {
		size = (size + 2) / 3 * 4
	}
	switch {
	case size > maxValue && v.Form() == secret.Binary:
		return secret.TooLarge, "CSMS holds at most 32768 bytes, which is 24576 bytes of binary"
	case size > maxValue:
		return secret.TooLarge, "CSMS holds at most 32768 bytes"
	case v.Form() == secret.Fields && !isObject(v.Reveal()):
		return secret.Invalid, "the fields are no JSON object"
	}
	return 0, ""
}

func isObject(b []byte) bool {
	return json.Valid(b) && utf8.Valid(b) && strings.HasPrefix(strings.TrimSpace(string(b)), "{")
}

// expiresProblem says why the product cannot hold the end.
func expiresProblem(t time.Time) string {
	if _, ok := expiry(t); !ok {
		return "CSMS holds ends from 1970 to 2286"
	}
	return ""
}

// labelsProblem says why the product cannot hold the labels beside those that
// are there.
func labelsProblem(there map[string]bool, labels []string) string {
	all := map[string]bool{sysCurrent: true, sysPrevious: true}
	for l := range there {
		all[l] = true
	}
	for _, l := range labels {
		if !label(l) || !custom(l) {
			return badLabel
		}
		all[l] = true
	}
	if len(all) > max(maxLabels, len(there)) {
		return tooManyLabels
	}
	return ""
}

// labels are those of a secret, the roles and ours among them.
func (f *facts) labels() map[string]bool {
	all := map[string]bool{}
	for i := range f.versions {
		for _, l := range f.versions[i].stages {
			all[l] = true
		}
	}
	return all
}
