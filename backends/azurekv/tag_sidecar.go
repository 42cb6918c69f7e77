package azurekv

import (
	"unicode/utf16"

	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// sidecarTag is the name of the one tag of each version that is ours.
const sidecarTag = "vaultferry"

// Limits of the product.
const (
	maxTags        = 15
	maxTagText     = 512 // characters, of a name and of a value
	maxSidecar     = 256 // characters of our own tag: older pages promise no more
	maxContentType = 255
	maxValue       = 25600 // bytes of UTF-8
)

// nativeAttributes are those that the product has places of its own for.
const nativeAttributes = sidecar.NativeContentType | sidecar.NativeTags | sidecar.NativeDisabled | sidecar.NativeNotBefore | sidecar.NativeExpires

// tagSidecar is the content of the tag: JSON of at most 256 characters.
//
// Danger: native tools that replace a version's tags take it away. The version
// then has the identity that its own facts give: see stored.
type tagSidecar struct {
	sidecar.Version
	// Secret speaks for the secret as a whole, roles included, as long as no
	// newer version does. The ordinal of this very tag means the version that
	// carries it, even where another claims that ordinal and keeps it.
	Secret *sidecar.Secret `json:"S,omitempty"`
	// Written is when, by our clock, where that is not about Created. With the
	// product's own time it tells a tag from a copy of it on another version.
	Written sidecar.Time `json:"w,omitzero"`
	// Touched is when, by our clock, a gateway last changed the version in
	// place: what the product says of that moment tells nothing of native tools.
	Touched sidecar.Time `json:"T,omitzero"`
	// Opened: the version is disabled, and a gateway enabled it then for as
	// long as it takes to read it. Bare: it has no tag of ours but this one, which
	// stays where the version is without tags.
	Opened sidecar.Time `json:"O,omitzero"`
	Bare   bool         `json:"B,omitempty"`
	// Import marks a version of an import, and Last takes its place in the one
	// that is written last. An import without a Last is not finished.
	Import string `json:"i,omitempty"`
	Last   string `json:"Z,omitempty"`
	// Shared: the product's tags of the version are those of the secret, and the
	// version is without. It counts in the newest tag that speaks for the secret;
	// in an older one it says of the version alone that it is without.
	Shared bool `json:"F,omitempty"`
	// OurType: the content type was set by us and is none of the source's.
	OurType bool `json:"Y,omitempty"`
}

// around returns t as the tag of the only version of s. whole: the tag also
// speaks for the secret as a whole.
func (t tagSidecar) around(s *secret.Secret, whole bool) *tagSidecar {
	v := &s.Versions[0]
	was := t.Version
	t.Version = sidecar.OfVersion(v, nativeAttributes)
	t.Ordinal, t.Form, t.Endless = v.Ordinal, was.Form, was.Endless
	t.OurType = v.ContentType == "" && t.Form != ""
	if whole {
		t.Secret = t.tellSecret(s)
	} else if was.Ordinal != 0 {
		t.Ordinal = was.Ordinal // a role in t.Secret may mean the version by it
	}
	return &t
}

// tellSecret is what t is to say of s as a whole. Times that are the version's
// are left out: room is short.
func (t *tagSidecar) tellSecret(s *secret.Secret) *sidecar.Secret {
	v, r := &s.Versions[0], sidecar.OfSecret(s)
	if t.Shared {
		r.Tags = nil
	}
	if s.Created.Equal(v.Created) {
		r.Created = sidecar.Time{}
	}
	if s.Updated.Equal(v.Updated) {
		r.Updated = sidecar.Time{}
	}
	r.Deleted = nil // the vault says it
	r.Roles = &sidecar.Roles{Current: s.Current, Previous: s.Previous}
	if t.Secret != nil {
		r.Highest = t.Secret.Highest
	}
	return &r
}

// importMark is empty for what no import wrote.
func (t *tagSidecar) importMark() string { return t.Import + t.Last }

// Valid implements sidecar.Valid.
func (t *tagSidecar) Valid() bool {
	v := &t.Version
	ours := v.Ordinal > 0 && v.UID != sidecar.UID{} && v.Form != sidecar.FormFields && (t.Import == "" || t.Last == "")
	foreign := v.ContentType != "" || len(v.Tags) > 0 || v.Disabled || v.Missing != ""
	s := t.Secret
	if t.Shared && (v.Tags != nil || s == nil || s.Tags != nil) {
		return false
	}
	return ours && !foreign && v.Valid() && (s == nil || s.Roles != nil && s.Deleted == nil && s.Valid())
}

// fits reports whether the product takes the tag and we can read it again.
func (t *tagSidecar) fits() bool { return decodeTag(sidecar.JSON(t)) != nil }

// decodeTag returns nil for what we have not written.
func decodeTag(text string) *tagSidecar {
	t := new(tagSidecar)
	if characters(text) > maxSidecar || sidecar.Decode(text, sidecar.JSON, t) != nil {
		return nil
	}
	return t
}

// characters counts as the product does, whose strings are of UTF-16.
func characters(s string) (n int) {
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}
