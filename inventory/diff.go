package inventory

import (
	"slices"

	"github.com/vaultferry/vaultferry/secret"
)

// Sign is what a comparison says of one secret, in one character.
type Sign byte

// The signs.
const (
	Same         Sign = '=' // everything
	Attribute    Sign = '~' // the values, their order and states are the same, and attributes differ
	Different    Sign = '*' // values, their order or states differ
	OnlyA        Sign = '-'
	OnlyB        Sign = '+'
	Incomparable Sign = '!' // one of the two could not be read
)

// Difference is what a comparison says of one secret.
type Difference struct {
	Sign Sign
	Name secret.Name // in A, else in B
	In   secret.Name // in B, where it is another
	// Parts are what differs, the secret as a whole first, then by the versions
	// of A and what B alone has.
	Parts []Part
}

// Part is one thing that differs.
type Part struct {
	Version secret.Ordinal // in A, else in B; 0: of the secret
	What    string         // a word of losses, or one of those below
}

// What differs beside attributes. Current and previous are the words of losses.
const (
	PartValue    = "value"
	PartState    = "state"
	PartNumber   = "number"  // of a version, which is the same otherwise
	PartOrder    = "order"   // of the versions
	PartMissing  = "missing" // from B
	PartAdded    = "added"   // in B
	PartCurrent  = "current"
	PartPrevious = "previous"
	PartDeleted  = "deleted" // one is in the trash
	PartUID      = "uid"
	// PartUnseen: the value of a disabled version, which one of the products does
	// not show. It is the same version, and what differs cannot be told.
	PartUnseen = "unseen"
)

// Compare says how b differs from a. Both were digested under one key, and over
// one name.
func Compare(a, b *Entry) Difference {
	d := Difference{Sign: Same, Name: a.Name}
	if b.Name != a.Name {
		d.In = b.Name
	}
	if a.Unread != "" || b.Unread != "" {
		d.Sign = Incomparable
		return d
	}
	pairs := pair(a, b)
	d.ofSecret(a, b, pairs)
	d.ofVersions(a, b, pairs)
	for _, p := range d.Parts {
		if d.Sign == Same {
			d.Sign = Attribute
		}
		if slices.Contains([]string{PartValue, PartState, PartOrder, PartMissing, PartAdded, PartCurrent, PartDeleted}, p.What) {
			d.Sign = Different
		}
	}
	return d
}

func (d *Difference) say(version secret.Ordinal, what string) {
	d.Parts = append(d.Parts, Part{version, what})
}

func (d *Difference) ofSecret(a, b *Entry, pairs pairs) {
	if (a.Deleted == nil) != (b.Deleted == nil) {
		d.say(0, PartDeleted)
	}
	for _, word := range a.Attributes.Differing(b.Attributes) {
		d.say(0, word)
	}
	if !pairs.same(a, a.Current, b, b.Current) {
		d.say(0, PartCurrent)
	}
	if !pairs.same(a, a.Previous, b, b.Previous) {
		d.say(0, PartPrevious)
	}
}

func (d *Difference) ofVersions(a, b *Entry, pairs pairs) {
	last, ordered := -1, true
	for i := range a.Versions {
		v := &a.Versions[i]
		j, ok := pairs.ofA[i]
		if !ok {
			if Standing(v) {
				d.say(v.Number, PartMissing)
			}
			continue
		}
		ordered = ordered && j > last
		last = j
		d.ofVersion(v, &b.Versions[j])
	}
	if !ordered {
		d.say(0, PartOrder)
	}
	for j := range b.Versions {
		if w := &b.Versions[j]; !pairs.hasB(j) && Standing(w) {
			d.say(w.Number, PartAdded)
		}
	}
}

// Standing reports whether v is more than the trace of a version: one that is
// destroyed may be left out by a product.
func Standing(v *Version) bool { return v.State != State(secret.Destroyed) }

func (d *Difference) ofVersion(v, w *Version) {
	switch {
	case unseen(v, w) || unseen(w, v):
		d.say(v.Number, PartUnseen)
	default:
		if v.Value != w.Value {
			d.say(v.Number, PartValue)
		}
		if v.State != w.State && (!gone(v) || !gone(w)) {
			d.say(v.Number, PartState)
		}
	}
	if v.UID != w.UID {
		d.say(v.Number, PartUID)
	}
	if v.Number != w.Number {
		d.say(v.Number, PartNumber)
	}
	for _, word := range v.Attributes.Differing(w.Attributes) {
		d.say(v.Number, word)
	}
}

// unseen: both are one disabled version, and the product of v does not show its value.
func unseen(v, w *Version) bool {
	return v.UID == w.UID && v.State == State(secret.Unreadable) && w.State == Disabled
}

// gone: nothing can bring the value back, for whatever reason.
func gone(v *Version) bool {
	return v.State == State(secret.Destroyed) || v.State == State(secret.Unsaved)
}

// pairs are the versions that two entries share, by their places.
type pairs struct{ ofA, ofB map[int]int }

func (p pairs) add(i, j int) { p.ofA[i], p.ofB[j] = j, i }

func (p pairs) hasB(j int) bool {
	_, ok := p.ofB[j]
	return ok
}

// same reports whether two ordinals name one version, or none.
func (p pairs) same(a *Entry, in secret.Ordinal, b *Entry, of secret.Ordinal) bool {
	if in == 0 || of == 0 {
		return in == of
	}
	for i := range a.Versions {
		if a.Versions[i].Number == in {
			j, ok := p.ofA[i]
			return ok && b.Versions[j].Number == of
		}
	}
	return false
}

// pair matches versions by UID, and those that are left by the digest of their
// value, in order.
func pair(a, b *Entry) pairs {
	p := pairs{map[int]int{}, map[int]int{}}
	byUID := map[string]int{}
	for j := range b.Versions {
		byUID[b.Versions[j].UID] = j
	}
	for i := range a.Versions {
		if j, ok := byUID[a.Versions[i].UID]; ok {
			p.add(i, j)
		}
	}
	byValue := map[Digest][]int{}
	for j := range b.Versions {
		if w := &b.Versions[j]; !p.hasB(j) && w.Value != "" {
			byValue[w.Value] = append(byValue[w.Value], j)
		}
	}
	for i := range a.Versions {
		v := &a.Versions[i]
		if _, done := p.ofA[i]; done || v.Value == "" || len(byValue[v.Value]) == 0 {
			continue
		}
		p.add(i, byValue[v.Value][0])
		byValue[v.Value] = byValue[v.Value][1:]
	}
	return p
}

// Lacking lists the versions of a that b lacks and that stand, in order: what an
// append would bring.
func Lacking(a, b *Entry) []secret.Ordinal {
	p := pair(a, b)
	var out []secret.Ordinal
	for i := range a.Versions {
		if _, ok := p.ofA[i]; !ok && Standing(&a.Versions[i]) {
			out = append(out, a.Versions[i].Number)
		}
	}
	return out
}
