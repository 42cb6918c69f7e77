package sidecar

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// Version is what a product cannot say of one version. A zero member says
// nothing.
type Version struct {
	Ordinal     secret.Ordinal    `json:"n,omitempty"`
	UID         UID               `json:"u,omitzero"`
	Created     Time              `json:"c,omitzero"`
	Updated     Time              `json:"m,omitzero"` // only if not Created
	Form        Form              `json:"f,omitempty"`
	ContentType string            `json:"y,omitempty"`
	Tags        map[string]string `json:"g,omitzero"` // nil: never set; empty: set to nothing
	Disabled    bool              `json:"d,omitempty"`
	NotBefore   Time              `json:"b,omitzero"`
	Expires     Time              `json:"e,omitzero"`
	Endless     Endless           `json:"o,omitempty"`
	Stages      []string          `json:"s,omitempty"`
	Extra       Members           `json:"x,omitempty"`
	Missing     secret.Missing    `json:"a,omitempty"`
}

// Form says how the text that a product holds stands for a value. The empty
// Form is the value as it is.
type Form string

// The forms.
const (
	FormBytes  Form = "b" // standard base64 of bytes
	FormObject Form = "j" // the JSON text of an object
	FormFields Form = "f" // the product's own fields, though they would read as text
)

// Endless says which of its two times a version lacks although the product
// shows one. A product that cannot take a time away is given one that means as
// much; the sidecar hides it as long as it stands.
type Endless string

// EndlessOf says that of the start and of the end.
func EndlessOf(start, end bool) Endless {
	var e Endless
	if start {
		e += "b"
	}
	if end {
		e += "e"
	}
	return e
}

// Start reports whether the version has no start.
func (e Endless) Start() bool { return strings.Contains(string(e), "b") }

// End reports whether the version has no end.
func (e Endless) End() bool { return strings.Contains(string(e), "e") }

// Native is a set of attributes that a product has places of its own for.
type Native uint

// The attributes. Times are native in whole seconds.
const (
	NativeContentType Native = 1 << iota
	NativeTags
	NativeDisabled
	NativeNotBefore
	NativeExpires
	NativeStages
)

func (n Native) has(a Native) bool { return n&a != 0 }

// OfVersion is what must be kept of v beside a product. Ordinal, Form and
// Endless are the product's affair.
func OfVersion(v *secret.Version, native Native) Version {
	r := Version{UID: UID(v.UID), Created: Time{v.Created}, Missing: v.Missing}
	if !v.Updated.Equal(v.Created) {
		r.Updated.Time = v.Updated
	}
	if !native.has(NativeContentType) {
		r.ContentType = v.ContentType
	}
	if !native.has(NativeTags) || v.Tags != nil && len(v.Tags) == 0 {
		r.Tags = maps.Clone(v.Tags)
	}
	r.Disabled = v.Disabled && !native.has(NativeDisabled)
	if !native.has(NativeNotBefore) || secret.HasFraction(v.NotBefore) {
		r.NotBefore.Time = v.NotBefore
	}
	if !native.has(NativeExpires) || secret.HasFraction(v.Expires) {
		r.Expires.Time = v.Expires
	}
	if !native.has(NativeStages) {
		r.Stages = slices.Clone(v.Stages)
	}
	if len(v.Extra) > 0 {
		r.Extra = Members(v.Extra.Clone())
	}
	return r
}

// Overlay puts what r says over v, which holds what the product says. Ordinal,
// Endless and Stages, in which other versions have a say, are left to the
// caller.
func (r *Version) Overlay(v *secret.Version, native Native) {
	if !secret.UID(r.UID).IsZero() {
		v.UID = secret.UID(r.UID)
	}
	v.Created = history.OrTime(r.Created.Time, v.Created)
	v.Updated = history.OrTime(r.Updated.Time, v.Created)
	if !native.has(NativeContentType) {
		v.ContentType = r.ContentType
	}
	switch {
	case !native.has(NativeTags):
		v.Tags = maps.Clone(r.Tags)
	case len(v.Tags) == 0:
		if v.Tags = nil; r.Tags != nil {
			v.Tags = map[string]string{}
		}
	}
	if !native.has(NativeDisabled) {
		v.Disabled = r.Disabled
	}
	v.NotBefore = refined(v.NotBefore, r.NotBefore.Time, native.has(NativeNotBefore))
	v.Expires = refined(v.Expires, r.Expires.Time, native.has(NativeExpires))
	if r.Extra != nil {
		v.Extra = secret.Extra(r.Extra).Clone()
	}
	if r.Missing != "" {
		v.Missing = r.Missing
	}
}

// refined is the exact time, as long as the product does not say another.
func refined(product, exact time.Time, native bool) time.Time {
	if !native || !exact.IsZero() && exact.Unix() == product.Unix() {
		return exact
	}
	return product
}

// IsZero reports whether r says nothing.
func (r *Version) IsZero() bool {
	return r.Ordinal == 0 && r.UID == UID{} && r.Created.IsZero() && r.Updated.IsZero() && r.Form == "" && r.ContentType == "" &&
		r.Tags == nil && !r.Disabled && r.NotBefore.IsZero() && r.Expires.IsZero() && r.Endless == "" && len(r.Stages) == 0 &&
		len(r.Extra) == 0 && r.Missing == ""
}

// Valid reports whether a gateway could have written r.
func (r *Version) Valid() bool {
	return r.Ordinal >= 0 && r.Ordinal <= MaxOrdinal && !slices.Contains(r.Stages, "") &&
		slices.Contains([]Form{"", FormBytes, FormObject, FormFields}, r.Form) &&
		slices.Contains([]Endless{"", "b", "e", "be"}, r.Endless) &&
		r.Missing.Valid()
}
