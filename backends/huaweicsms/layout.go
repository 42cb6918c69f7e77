package huaweicsms

import (
	"maps"
	"slices"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// become makes h the next state: what head says, with these versions.
func (h *stored) become(head *history.Head, versions []secret.Version) {
	h.Secret = head.Secret
	h.Versions = versions
}

// touch keeps when h was changed, where the trailer has the times of the secret.
func (h *stored) touch(t *trailer) {
	if !t.Updated.IsZero() {
		t.Updated.Time = h.Updated
	}
}

// join is the description of h with the trailer.
func (h *stored) join(t *trailer) string { return join(h.facts.wire, h.Description, t) }

// fits reports whether the product takes that, with some bytes to spare, and it
// reads again as what was meant.
func (h *stored) fits(t *trailer, spare int) bool {
	d := h.join(t)
	text, read := split(h.facts.wire, d)
	return len(d)+spare <= maxDescription && text == h.Description && (read != nil || sidecar.JSON(t) == empty)
}

// layOut is the trailer of the state h once the product shows these roles: t,
// with the versions that have changed, and the attributes of the secret.
func (h *stored) layOut(t trailer, shown roles, changed []secret.Version) trailer {
	t.Versions = slices.Clone(t.Versions)
	for i := range changed {
		t.set(h.entry(&t, &changed[i]))
	}
	if isHash(h.facts.wire) {
		t.Name = h.Name
	}
	if t.Tags = nil; len(h.Tags) == 0 { // others the product says
		t.Tags = maps.Clone(h.Tags)
	}
	t.Extra = sidecar.Members(h.Extra)
	if h.facts.kind != kindCommon { // the product says it
		t.Extra = maps.Clone(t.Extra)
		delete(t.Extra, extraType)
	}
	h.keepRoles(&t, shown)
	return t
}

// keepRoles keeps those of h, unless the product shows them.
func (h *stored) keepRoles(t *trailer, shown roles) {
	if t.Roles, t.ShownBy = nil, (roles{}); shown != (roles{h.number(h.Current), h.number(h.Previous)}) {
		t.Roles, t.ShownBy = &sidecar.Roles{Current: h.Current, Previous: h.Previous}, shown
	}
}

// entry is what must be kept of one version.
func (h *stored) entry(t *trailer, v *secret.Version) entry {
	was := t.entry(h.number(v.Ordinal))
	e := entry{Number: was.Number, Version: sidecar.OfVersion(v, heldNative)}
	e.Form, e.Missing = formOf(v.Value), ""
	if v.Value.IsNone() { // it stands, and was not read: its identity stays where it is
		e.Form, e.UID, e.Created = was.Form, was.UID, was.Created
	}
	if v.Ordinal != t.Shifts.Ordinal(e.Number) {
		e.Ordinal = v.Ordinal
	}
	if f := h.facts.version(e.Number); f != nil { // the product cannot take an end away
		e.Endless = sidecar.EndlessOf(false, v.Expires.IsZero() && !f.expires.IsZero())
	}
	return e
}

// formOf is the form of a value that the product does not tell.
func formOf(v secret.Value) sidecar.Form {
	switch {
	case v.Form() == secret.Fields:
		return sidecar.FormObject
	case v.Form() == secret.Binary && v.Len() == 0:
		return sidecar.FormBytes
	}
	return ""
}
