package azurekv

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// sheet is a version as the product takes it.
type sheet struct {
	tag     reserved
	version *secret.Version // what stands after the losses
	value   string
	bare    bool // goes without our tag
}

// newSheet lays v out. tag comes with identity and times and is completed
// here. What does not fit is dropped and listed; Put refuses then, and Import
// was told before.
func newSheet(v *secret.Version, tag reserved) (*sheet, []secret.Loss) {
	value, form := spell(v.Value)
	tag.Form = form
	s, losses := layOut(v, tag)
	s.value = value
	return s, losses
}

// layOut is newSheet for a version whose value stands and whose form the tag
// says.
func layOut(v *secret.Version, tag reserved) (*sheet, []secret.Loss) {
	c := v.Clone()
	s := &sheet{tag: tag, version: &c}
	var losses []secret.Loss
	lose := func(what, why string) {
		losses = append(losses, secret.Loss{Grade: secret.Meaning, Version: v.Ordinal, What: what, Why: why})
	}
	if characters(c.ContentType) > maxContentType || !utf8.ValidString(c.ContentType) {
		lose(loss.ContentType, "Key Vault holds content types of at most 255 characters")
		c.ContentType = ""
	}
	if why := tagsProblem(c.Tags); why != "" {
		lose(loss.Tags, why)
		c.Tags = nil
	}
	s.tag.EmptyTags = c.Tags != nil && len(c.Tags) == 0
	s.tag.OurType = c.ContentType == "" && s.tag.Form != ""
	s.try(c.Expires.Nanosecond() != 0, func(r *reserved) { r.Expires.Time = c.Expires }, func() {
		lose(loss.ExpiresFraction, noRoom)
		c.Expires = c.Expires.Truncate(time.Second)
	})
	s.try(c.NotBefore.Nanosecond() != 0, func(r *reserved) { r.NotBefore.Time = c.NotBefore }, func() {
		lose(loss.NotBeforeFraction, noRoom)
		c.NotBefore = c.NotBefore.Truncate(time.Second)
	})
	s.try(len(c.Stages) > 0, func(r *reserved) { r.Stages = c.Stages }, func() {
		lose(loss.Stages, noRoom)
		c.Stages = nil
	})
	delete(c.Extra, extraManaged)
	s.try(len(c.Extra) > 0, func(r *reserved) { r.Extra = secretRawMap(c.Extra) }, func() {
		lose(loss.Extra, noRoom)
		c.Extra = nil
	})
	return s, losses
}

const noRoom = "Key Vault has no place for it but one tag of 256 characters, and that is full"

// try sets one more member of the tag, or calls drop if it then does not fit.
func (s *sheet) try(wanted bool, set func(*reserved), drop func()) {
	if !wanted {
		return
	}
	next := s.tag
	set(&next)
	if !next.fits() {
		drop()
		return
	}
	s.tag = next
}

// addSecret lays out what belongs to the secret as a whole.
func (s *sheet) addSecret(wire string, a *secret.Attributes) []secret.Loss {
	var losses []secret.Loss
	lose := func(what string) func() {
		return func() { losses = append(losses, secret.Loss{Grade: secret.Meaning, What: what, Why: noRoom}) }
	}
	if utf8.ValidString(a.Description) {
		s.try(a.Description != "", func(r *reserved) { r.Description = a.Description }, lose(loss.Description))
	} else {
		lose(loss.Description)()
	}
	s.try(len(a.Tags) > 0, func(r *reserved) { r.SecretTags = a.Tags }, lose(loss.Tags))
	extra := a.Extra
	if spelling(wire, extra) != wire { // the product keeps it
		extra = extra.Clone()
		delete(extra, extraName)
	}
	s.try(len(extra) > 0, func(r *reserved) { r.SecretExtra = secretRawMap(extra) }, lose(loss.Extra))
	return losses
}

// spelling is the name as native tools spelled it, if it still is that name.
func spelling(wire string, extra secret.Extra) string {
	if n := extra.Text(extraName); strings.EqualFold(n, wire) && natural(strings.ToLower(n)) {
		return n
	}
	return wire
}

// spell returns the text that the product holds for a value, and its form.
func spell(v secret.Value) (text, form string) {
	switch v.Form() {
	case secret.Binary:
		return base64.StdEncoding.EncodeToString(v.Reveal()), formBinary
	case secret.Fields:
		return string(v.Reveal()), formFields
	}
	return string(v.Reveal()), ""
}

// valueProblem says why the product cannot hold the value, and of which kind
// the refusal is; "" where it can.
func valueProblem(v secret.Value) (secret.Kind, string) {
	text, form := spell(v)
	switch {
	case len(text) > maxValue && form == formBinary:
		return secret.TooLarge, "Key Vault holds at most 25600 bytes, which is 19200 bytes of binary"
	case len(text) > maxValue:
		return secret.TooLarge, "Key Vault holds at most 25600 bytes"
	case !utf8.ValidString(text), form == formFields && !isObject(v.Reveal()):
		return secret.Invalid, "the fields are no JSON object"
	}
	return 0, ""
}

func isObject(b []byte) bool {
	return json.Valid(b) && strings.HasPrefix(strings.TrimSpace(string(b)), "{")
}

// tagsProblem says why the product cannot hold the tags beside ours.
func tagsProblem(tags map[string]string) string {
	if len(tags) >= maxTags {
		return "Key Vault holds 15 tags, and one of them is the gateway's"
	}
	return tagTextProblem(tags)
}

func tagTextProblem(tags map[string]string) string {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		switch {
		case strings.EqualFold(k, reservedTag):
			return "the tag name vaultferry is reserved"
		case k == "" || characters(k) > maxTagText || characters(tags[k]) > maxTagText:
			return "Key Vault holds tags of 1 to 256 characters"
		case !utf8.ValidString(k) || !utf8.ValidString(tags[k]):
			return "a tag is not valid UTF-8"
		}
	}
	return ""
}

// parameters is the body of the write.
func (s *sheet) parameters() azsecrets.SetSecretParameters {
	v := s.version
	contentType := v.ContentType
	if contentType == "" {
		contentType = ourType(s.tag.Form)
	}
	p := azsecrets.SetSecretParameters{
		Value:            &s.value,
		SecretAttributes: &azsecrets.SecretAttributes{Enabled: new(!v.Disabled), Expires: seconds(v.Expires), NotBefore: seconds(v.NotBefore)},
	}
	if contentType != "" {
		p.ContentType = &contentType
	}
	if v.Tags != nil || !s.bare {
		p.Tags = make(map[string]*string, len(v.Tags)+1)
	}
	for k, t := range v.Tags {
		p.Tags[k] = new(t)
	}
	if !s.bare {
		tag, _ := s.tag.encode() // fits has seen it
		p.Tags[reservedTag] = &tag
	}
	return p
}

func seconds(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.Truncate(time.Second)
	return &t
}
