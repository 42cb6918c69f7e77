package secret

import (
	"bytes"
	"cmp"
	"slices"
)

// Part asks for one page of a secret's versions. The zero Part is all of them.
type Part struct {
	// InTrash asks for a secret in the trash, and not for a live one.
	InTrash bool
	// ByUID takes the versions in the order of their UIDs, and not of their
	// ordinals.
	ByUID bool
	// After is exclusive and need not exist: versions that come after it in the
	// order follow. Zero: all do.
	After Selector
	// Limit bounds the page; zero does not.
	Limit int
	// Show, if not nil, leaves out the versions of which it says no. It gets the
	// secret without its versions, and changes nothing.
	Show func(*Secret, *Version) bool
}

// Of returns s with the versions of the part alone. Whatever the order that
// picks them, they run oldest first, as in every secret.
func (p *Part) Of(s *Secret) *Secret {
	out := *s
	out.Versions = nil
	head := out
	ordered := slices.Clone(s.Versions)
	if p.ByUID {
		slices.SortFunc(ordered, p.Compare)
	}
	for i := range ordered {
		if v := &ordered[i]; p.Follows(v) && (p.Show == nil || p.Show(&head, v)) {
			out.Versions = append(out.Versions, *v)
		}
		if p.Full(len(out.Versions)) {
			break
		}
	}
	slices.SortFunc(out.Versions, func(a, b Version) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return &out
}

// Compare is the order in which the part takes versions.
func (p *Part) Compare(a, b Version) int {
	if p.ByUID {
		return bytes.Compare(a.UID[:], b.UID[:])
	}
	return cmp.Compare(a.Ordinal, b.Ordinal)
}

// Follows reports whether v comes after the place where the part begins.
func (p *Part) Follows(v *Version) bool {
	return p.Compare(*v, Version{Ordinal: p.After.Ordinal, UID: p.After.UID}) > 0
}

// Full reports whether n versions are as many as the part asks for.
func (p *Part) Full(n int) bool { return p.Limit > 0 && n >= p.Limit }

// Cut takes a page out of s, which is the part whose Limit is one more, and
// reports whether more versions follow it.
func (p *Part) Cut(s *Secret) (more bool) {
	if p.Limit == 0 || len(s.Versions) <= p.Limit {
		return false
	}
	last := slices.MaxFunc(s.Versions, p.Compare).Ordinal
	s.Versions = slices.DeleteFunc(s.Versions, func(v Version) bool { return v.Ordinal == last })
	return true
}
