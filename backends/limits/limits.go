// Package limits says in numbers what each product holds, and where each
// number comes from. It is data: what a backend does with it is the backend's
// affair, and a test holds every backend to it, at each limit and one above.
package limits

import (
	"cmp"
	"time"
)

// Limit is a number and where it was found.
type Limit struct {
	Most   int // zero: no limit that a secret could meet
	Unit   string
	Source string
}

// Alphabet is what a name may be made of, in words, and where that was found.
type Alphabet struct{ Text, Source string }

// Home is where an attribute lives in a product.
type Home string

// The homes.
const (
	Native Home = "native" // native tools see it
	Beside Home = "beside" // the gateway keeps it where the product has room
	Nobody Home = "no"     // it is lost, and foretold
)

// Product is what one product holds.
type Product struct {
	Backend string // the word in stores[].backend
	As      string // the word in memory.as; empty: it is not imitated
	Name    string

	Text, Binary Limit // of one value, in bytes of the model
	Versions     Limit
	NameLength   Limit
	Names        Alphabet
	// Tags of a version and of the secret; zero counts where Homes says that
	// the product has none.
	VersionTags, SecretTags, TagName, TagValue Limit
	Stages, StageLength                        Limit
	StageNames                                 Alphabet
	Description, ContentType                   Limit
	// Requests is how many the product says it takes in a second.
	Requests Limit
	// Moves are the requests that a move makes to it.
	Moves Requests
	// Room is what everything that is kept beside has to share.
	Room Limit
	// Resolution of the times that the product itself keeps.
	Resolution time.Duration
	Homes      map[Attribute]Home
}

// Requests are how many a move makes to a product that it writes to, of secrets whose
// versions all have values and are numbered without gaps, and that have no tags, stages and
// ends which the product takes one by one. The others need some more. A test of moves holds
// the numbers.
type Requests struct {
	Create  int // for each new secret, with all looks at it
	Version int // more for each of its versions
	Append  int // for what is added to each that stands
	Added   int // more for each version of that
	Look    int // once after these
}

// Attribute is one of the model's.
type Attribute string

// The attributes, in the order of a report.
const (
	Value       Attribute = "text values"
	Bytes       Attribute = "binary values"
	Fields      Attribute = "fields"
	Ordinal     Attribute = "ordinal"
	UID         Attribute = "uid"
	Times       Attribute = "created, updated"
	Roles       Attribute = "current, previous"
	Disabled    Attribute = "disabled"
	NotBefore   Attribute = "not before"
	Expires     Attribute = "expires"
	Type        Attribute = "content type"
	Tags        Attribute = "tags of a version"
	Labels      Attribute = "stages"
	Text        Attribute = "description"
	SecretTags  Attribute = "tags of the secret" //nolint:gosec // a word, not a credential
	Extra       Attribute = "extra"
	Valueless   Attribute = "versions without a value"
	DisabledOut Attribute = "values of disabled versions read back"
)

// Attributes lists all of them.
func Attributes() []Attribute {
	return []Attribute{
		Value, Bytes, Fields, Ordinal, UID, Times, Roles, Disabled, NotBefore, Expires, Type, Tags, Labels, Text, SecretTags, Extra,
		Valueless, DisabledOut,
	}
}

// Word names the product where one kind of store is several: the kind, or else the word
// of memory.as.
func (p *Product) Word() string { return cmp.Or(p.Backend, p.As) }

// Named returns the product of this name.
func Named(name string) (Product, bool) {
	for _, p := range Products() {
		if p.Name == name {
			return p, true
		}
	}
	return Product{}, false
}

// Of returns the product of a backend kind, or of a word of memory.as.
func Of(word string) (Product, bool) {
	for _, p := range Products() {
		if p.Backend == word || p.As == word {
			return p, true
		}
	}
	return Product{}, false
}
