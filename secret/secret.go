package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Ordinal numbers the versions of one secret from 1. It is never reused; gaps
// are allowed. Zero means none.
type Ordinal int64

// String is the decimal form.
func (o Ordinal) String() string { return strconv.FormatInt(int64(o), 10) }

// UID identifies a version for ever, through every move between products.
type UID [16]byte

// NewUID returns a random UID.
func NewUID() UID {
	var u UID
	_, _ = rand.Read(u[:]) // never fails (crypto/rand)
	return u
}

// DeriveUID gives a version that native tools wrote its UID: the same for the
// same version each time it is read. store is the configured store's name,
// path where the product keeps the secret, id the product's own version id.
func DeriveUID(store, path, id string, created time.Time) UID {
	h := sha256.New()
	for _, s := range []string{store, path, id} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(created.UnixNano()))
	h.Write(n[:])
	return UID(h.Sum(nil)[:16])
}

// ParseUID reads 32 hex digits of lower case.
func ParseUID(s string) (UID, bool) {
	var u UID
	if len(s) != 2*len(u) {
		return u, false
	}
	if _, err := hex.Decode(u[:], []byte(s)); err != nil || u.String() != s {
		return UID{}, false
	}
	return u, true
}

// String is 32 hex digits of lower case.
func (u UID) String() string {
	var digits [2 * len(u)]byte
	hex.Encode(digits[:], u[:])
	return string(digits[:])
}

// IsZero reports whether u is unset.
func (u UID) IsZero() bool { return u == UID{} }

// Selector picks one version of a secret. The zero Selector is Current.
type Selector struct {
	Ordinal Ordinal
	UID     UID
}

// Current selects the version that holds the current role.
var Current = Selector{}

// ByOrdinal selects by ordinal.
func ByOrdinal(o Ordinal) Selector { return Selector{Ordinal: o} }

// ByUID selects by UID.
func ByUID(u UID) Selector { return Selector{UID: u} }

// IsCurrent reports whether s selects the current version.
func (s Selector) IsCurrent() bool { return s == Current }

// String is for logs.
func (s Selector) String() string {
	switch {
	case s.Ordinal != 0:
		return "v" + s.Ordinal.String()
	case !s.UID.IsZero():
		return s.UID.String()
	}
	return "current"
}

// Missing says why a version holds no value. The empty Missing means that it
// does hold one (or that the call returns none).
type Missing string

// Reasons for a missing value.
const (
	Destroyed  Missing = "destroyed"  // the product erased it; nobody can read it again
	Deleted    Missing = "deleted"    // native tools deleted this version; they could bring it back
	Unreadable Missing = "unreadable" // the product holds it and refuses to show it (disabled)
	Unsaved    Missing = "unsaved"    // the backup that the version was restored from did not hold it
)

// Reasons lists all of them.
var Reasons = []Missing{Destroyed, Deleted, Unreadable, Unsaved}

// Valid reports whether m is one of Reasons, or empty.
func (m Missing) Valid() bool { return m == "" || slices.Contains(Reasons, m) }

// Secret is everything known about one name. Versions run oldest first, that
// is by ordinal, and hold values only where the call that returned them says
// so. Current and Previous are roles: ordinals of versions, or zero.
type Secret struct {
	Name        Name
	Description string
	Tags        map[string]string // its own; nil: without; empty: set to nothing. See ShownTags
	Created     time.Time
	Updated     time.Time
	Current     Ordinal
	Previous    Ordinal
	Versions    []Version
	Deleted     *Deletion // nil while live
	Extra       Extra
}

// Version is one version of a secret. A zero time is unset.
type Version struct {
	Ordinal     Ordinal
	UID         UID
	Value       Value
	Missing     Missing
	ContentType string
	Tags        map[string]string // its own, as those of a Secret
	Disabled    bool
	NotBefore   time.Time
	Expires     time.Time
	Created     time.Time
	Updated     time.Time
	Stages      []string // custom labels, sorted; never the roles
	Extra       Extra
}

// Gone reports whether v is one that the vendors' APIs show no more. Of a version
// that was never saved they show what they show of a disabled one.
func (v *Version) Gone() bool {
	return v.Missing == Destroyed || v.Missing == Deleted || (v.Missing == Unsaved && !v.Disabled)
}

// Find returns the version that sel picks, or nil.
func (s *Secret) Find(sel Selector) *Version {
	if sel.IsCurrent() {
		if s.Current == 0 {
			return nil
		}
		sel = ByOrdinal(s.Current)
	}
	for i := range s.Versions {
		v := &s.Versions[i]
		if (sel.Ordinal != 0 && v.Ordinal == sel.Ordinal) || (!sel.UID.IsZero() && v.UID == sel.UID) {
			return v
		}
	}
	return nil
}

// Displaced returns the version that d takes the place of where a product holds
// no more: the oldest that is named by neither a role nor a label once d has
// moved them. Nil: each is named.
func (s *Secret) Displaced(d *Draft) *Version {
	current, previous := s.Current, s.Previous
	switch {
	case !d.KeepCurrent:
		current, previous = 0, current
	case d.TakePrevious:
		previous = 0
	}
	stays := func(label string) bool { return !slices.Contains(d.Stages, label) }
	for i := range s.Versions {
		if v := &s.Versions[i]; v.Ordinal != current && v.Ordinal != previous && !slices.ContainsFunc(v.Stages, stays) {
			return v
		}
	}
	return nil
}

// Newest returns the version with the highest ordinal, or nil.
func (s *Secret) Newest() *Version {
	if len(s.Versions) == 0 {
		return nil
	}
	return &s.Versions[len(s.Versions)-1]
}

// Clone returns a deep copy. Values are shared, for they are never changed.
func (s *Secret) Clone() *Secret {
	c := *s
	c.Tags, c.Extra = maps.Clone(s.Tags), s.Extra.Clone()
	if s.Deleted != nil {
		d := *s.Deleted
		c.Deleted = &d
	}
	c.Versions = slices.Clone(s.Versions)
	for i := range c.Versions {
		c.Versions[i] = c.Versions[i].Clone()
	}
	return &c
}

// WithoutValues returns a deep copy that holds no value.
func (s *Secret) WithoutValues() *Secret {
	c := s.Clone()
	for i := range c.Versions {
		c.Versions[i].Value = Value{}
	}
	return c
}

// NameAlone reports whether a list knew nothing of s but its name: see
// Query.NamesAlone.
func (s *Secret) NameAlone() bool { return len(s.Versions) == 0 && s.Deleted == nil }

// Empty reports whether there are versions, and all are deleted or destroyed.
func (s *Secret) Empty() bool {
	return len(s.Versions) > 0 && !slices.ContainsFunc(s.Versions, func(v Version) bool { return v.Missing != Deleted && v.Missing != Destroyed })
}

// Only returns a copy that keeps the given version alone; roles stay.
func (s *Secret) Only(o Ordinal) *Secret {
	c := *s
	c.Versions = nil
	if v := s.Find(ByOrdinal(o)); v != nil {
		c.Versions = []Version{*v}
	}
	return c.Clone()
}

// Clone returns a deep copy that shares the value.
func (v Version) Clone() Version {
	v.Tags, v.Extra, v.Stages = maps.Clone(v.Tags), v.Extra.Clone(), slices.Clone(v.Stages)
	return v
}

// Size is the number of value bytes in all versions.
func (s *Secret) Size() int64 {
	var n int64
	for i := range s.Versions {
		n += int64(s.Versions[i].Value.Len())
	}
	return n
}
