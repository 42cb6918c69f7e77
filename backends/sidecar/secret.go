package sidecar

import (
	"errors"
	"maps"
	"strconv"
	"strings"

	"github.com/vaultferry/vaultferry/secret"
)

// Secret is what a product cannot say of a secret as a whole. A zero member
// says nothing.
type Secret struct {
	Name    secret.Name    `json:"k,omitempty"` // where the product's is a hash of it
	Roles   *Roles         `json:"r,omitempty"`
	Highest secret.Ordinal `json:"h,omitempty"` // ever given, where no version tells it
	Shifts  Shifts         `json:"l,omitempty"`
	Created Time           `json:"c,omitzero"`
	Updated Time           `json:"m,omitzero"`
	// Description, where the product has no place for one.
	Description string                    `json:"t,omitempty"`
	Tags        map[string]string         `json:"g,omitzero"`
	Stages      map[string]secret.Ordinal `json:"s,omitempty"` // labels to their holders
	Extra       Members                   `json:"x,omitempty"`
	Import      string                    `json:"i,omitempty"` // mark of one that is not finished
	Deleted     *Deletion                 `json:"z,omitempty"` // nil while live
}

// Deletion is a secret.Deletion that may be encoded.
type Deletion struct {
	At    Time `json:"w"`
	Purge Time `json:"E,omitzero"`
}

// Roles are who is current and who previous; zero: nobody. The product says
// how long that is true.
type Roles struct{ Current, Previous secret.Ordinal }

// MarshalJSON writes [current, previous].
func (r Roles) MarshalJSON() ([]byte, error) {
	b := strconv.AppendInt(append(make([]byte, 0, 16), '['), int64(r.Current), 10)
	b = strconv.AppendInt(append(b, ','), int64(r.Previous), 10)
	return append(b, ']'), nil
}

// UnmarshalJSON reads [current, previous].
func (r *Roles) UnmarshalJSON(b []byte) error {
	current, previous, _ := strings.Cut(strings.Trim(string(b), "[]"), ",")
	c, err := strconv.ParseInt(current, 10, 64)
	p, err2 := strconv.ParseInt(previous, 10, 64)
	r.Current, r.Previous = secret.Ordinal(c), secret.Ordinal(p)
	return errors.Join(err, err2)
}

// Shifts are the ordinals of versions that a product numbers by itself: from
// each first number on, the ordinal is the number and the second one. Both
// rise.
type Shifts [][2]int64

// Ordinal is that of a number.
func (s Shifts) Ordinal(number int64) secret.Ordinal {
	var offset int64
	for _, shift := range s {
		if number >= shift[0] {
			offset = shift[1]
		}
	}
	return secret.Ordinal(number + offset)
}

func (s Shifts) valid() bool {
	var last [2]int64
	for _, shift := range s {
		if shift[0] <= last[0] || shift[1] <= last[1] || shift[1] > int64(MaxOrdinal) {
			return false
		}
		last = shift
	}
	return true
}

// OfSecret is what must be kept of the attributes and times of s. Roles, labels
// and numbers are the product's affair.
func OfSecret(s *secret.Secret) Secret {
	r := Secret{Created: Time{s.Created}, Updated: Time{s.Updated}, Description: s.Description, Tags: maps.Clone(s.Tags)}
	if len(s.Extra) > 0 {
		r.Extra = Members(s.Extra.Clone())
	}
	if d := s.Deleted; d != nil {
		r.Deleted = &Deletion{Time{d.At}, Time{d.Purge}}
	}
	return r
}

// Overlay puts description, tags, extra and deletion of r, and the times that
// it knows, over s.
func (r *Secret) Overlay(s *secret.Secret) {
	s.Description, s.Tags, s.Extra = r.Description, maps.Clone(r.Tags), secret.Extra(r.Extra).Clone()
	if !r.Created.IsZero() {
		s.Created = r.Created.Time
	}
	if !r.Updated.IsZero() {
		s.Updated = r.Updated.Time
	}
	if d := r.Deleted; d != nil {
		s.Deleted = &secret.Deletion{At: d.At.Time, Purge: d.Purge.Time}
	}
}

// MaxOrdinal is far above history.MaxImported, so no version comes to it, and
// is a number that every reader of JSON can hold.
const MaxOrdinal secret.Ordinal = 1 << 53

// Valid reports whether a gateway could have written r.
func (r *Secret) Valid() bool {
	if r.Name != "" && r.Name.Validate() != nil || r.Highest < 0 || r.Highest > MaxOrdinal || !r.Shifts.valid() {
		return false
	}
	if r.Roles != nil && (!inRange(r.Roles.Current) || !inRange(r.Roles.Previous)) {
		return false
	}
	for label, holder := range r.Stages {
		if label == "" || holder < 1 || holder > MaxOrdinal {
			return false
		}
	}
	return true
}

func inRange(o secret.Ordinal) bool { return o >= 0 && o <= MaxOrdinal }

// Number is the inverse of Ordinal; zero for an ordinal that no number has.
func (s Shifts) Number(o secret.Ordinal) int64 {
	number := int64(o)
	for _, shift := range s {
		if n := int64(o) - shift[1]; n >= shift[0] {
			number = n
		}
	}
	if number < 1 || s.Ordinal(number) != o {
		return 0
	}
	return number
}
