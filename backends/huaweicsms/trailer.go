package huaweicsms

import (
	"cmp"
	"slices"

	"github.com/vaultferry/vaultferry/backends/sidecar"
)

// trailer is what the gateway keeps at the end of a secret's description, and
// only where the product's own facts would not do. See description.go for how
// it stands there.
//
// Danger: native tools that write a description without the trailer take it
// away. The versions then have the identity that the product's facts give, and
// a disabled one can be read.
type trailer struct {
	// Of it Name, Roles, Shifts, Created, Updated, Extra, Import, and Tags where
	// they are an empty set: it counts as long as the product shows none.
	sidecar.Secret
	Versions []entry `json:"V,omitempty"` // by Number
	// ShownBy holds the product's roles for which Roles counts. The product
	// always has a current version, and cannot take the previous role away.
	ShownBy roles `json:"P,omitzero"`
	// Surplus are numbers that an import's requests took which came twice, or
	// too late, in order. They are no versions: the product takes none away.
	Surplus []int64 `json:"J,omitempty"`
	// Days that a gateway asked the product to keep the secret for.
	Days int `json:"D,omitempty"`
}

// entry is what the product cannot say of the version that has the number.
type entry struct {
	Number int64 `json:"N"`
	sidecar.Version
}

// roles are the numbers of the current and of the previous version. Zero:
// there is none.
type roles [2]int64

// heldNative is what the product holds of a version by itself.
const heldNative = sidecar.NativeExpires | sidecar.NativeStages

const maxNumber = 9999999999 // ten digits

// entry returns that of the version, or an empty one.
func (t *trailer) entry(number int64) entry {
	if i, found := slices.BinarySearchFunc(t.Versions, number, compareNumber); found {
		return t.Versions[i]
	}
	return entry{Number: number}
}

// set puts e in its place; an empty one leaves it.
func (t *trailer) set(e entry) {
	i, found := slices.BinarySearchFunc(t.Versions, e.Number, compareNumber)
	switch {
	case found && e.IsZero():
		t.Versions = slices.Delete(t.Versions, i, i+1)
	case found:
		t.Versions[i] = e
	case !e.IsZero():
		t.Versions = slices.Insert(t.Versions, i, e)
	}
}

// pruned returns t less what says nothing once there are no other versions than
// those of f, and the one with this number, and the product shows these roles.
func (t trailer) pruned(f *facts, number int64, shown roles) trailer {
	gone := func(n int64) bool { return n != number && f.version(n) == nil }
	t.Versions = slices.DeleteFunc(slices.Clone(t.Versions), func(e entry) bool { return gone(e.Number) })
	t.Surplus = slices.DeleteFunc(slices.Clone(t.Surplus), gone)
	if t.Days = 0; t.ShownBy != shown {
		t.Roles, t.ShownBy = nil, roles{}
	}
	return t
}

func compareNumber(e entry, n int64) int { return cmp.Compare(e.Number, n) }

// Valid implements sidecar.Valid: whether a gateway could have written t.
func (t *trailer) Valid() bool {
	ok := t.Secret.Valid() && t.Days >= 0 && t.Days <= maxDays && rising(t.Surplus) &&
		t.Description == "" && len(t.Tags) == 0 && len(t.Stages) == 0 && t.Highest == 0 && t.Deleted == nil
	var numbers []int64
	for i := range t.Versions {
		e := &t.Versions[i]
		ok = ok && e.Valid() && !e.IsZero() && e.Missing == "" && len(e.Stages) == 0 && e.Form != sidecar.FormFields
		numbers = append(numbers, e.Number)
	}
	return ok && rising(numbers)
}

func rising(numbers []int64) bool {
	var last int64
	for _, n := range numbers {
		if n <= last || n > maxNumber {
			return false
		}
		last = n
	}
	return true
}
