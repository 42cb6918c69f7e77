package secret

import (
	"encoding/json"
	"time"
)

// Draft is a version to write. Dialects fill the attributes; imports also fill
// identity and times, which a backend otherwise mints.
type Draft struct {
	Value       Value
	ContentType string
	Tags        map[string]string // its own; nil: without
	Disabled    bool
	NotBefore   time.Time
	Expires     time.Time
	Extra       Extra

	// Stages are custom labels; each moves here from whichever version holds
	// it. KeepCurrent leaves the current role where it is, unless this is the
	// first version; otherwise this version becomes current and the former
	// holder previous.
	Stages      []string
	KeepCurrent bool
	// TakePrevious gives this version the previous role. With KeepCurrent.
	TakePrevious bool

	// OnlyIfAbsent refuses (AlreadyExists, or Trashed) if the name is taken.
	OnlyIfAbsent bool

	// If, unless empty, is the one state of the secret that gets the version: see
	// backends.Marker, which alone looks at it. Not with OnlyIfAbsent.
	If Mark

	// OfSecret, if not nil, sets the attributes of the secret itself. Without
	// it they stay as they are.
	OfSecret *Attributes

	// NewExtra is merged into the secret's Extra if this write makes the
	// secret, and ignored otherwise.
	NewExtra Extra

	// MergeExtra is merged into the secret's Extra, after OfSecret and
	// NewExtra; a nil member is removed.
	MergeExtra map[string]json.RawMessage

	// Identity of an appended version. Zero: minted. A UID that another
	// version of the secret holds already is replaced by a new one.
	UID     UID
	Created time.Time
	Updated time.Time
	// Missing appends a version that holds no value, where the product can.
	Missing Missing
}

// Attributes are those of a secret as a whole.
type Attributes struct {
	Description string
	Tags        map[string]string
	Extra       Extra
}

// Query asks for one page of names. The zero Query is the first page.
type Query struct {
	// After is exclusive and need not exist: names that sort after it follow.
	After Name
	// Limit bounds the page; zero leaves it to the backend. A page may be
	// shorter, even empty, while More is true.
	Limit int
	// WithTrash wants what is in the trash too, Deleted set, in the same order.
	WithTrash bool
	// Under cuts the list to names that begin so, and are longer. A backend
	// may leave that to the gateway.
	Under Name
	// NamesAlone is of who reads each secret next, and needs nothing of it yet. What
	// the product's list does not tell is then not asked for: the page may hold
	// secrets of their names alone, and among these what is in the trash, empty,
	// unfinished or unreadable, whatever else the query says. See Secret.NameAlone.
	// A backend may answer as if it were not set.
	NamesAlone bool
}

// Page is one page of secrets, sorted by name bytewise, without values.
// Whether Versions holds all versions or the current one alone is the
// backend's choice; the current version is always there, but see
// Query.NamesAlone.
type Page struct {
	Secrets []*Secret
	// Next is the After of the next page; empty on the last one.
	Next Name
	// LeftOut is what the product holds beside Secrets: what it says of the names
	// after Query.After and up to Next, each once, in any order. See LeftOut.On.
	LeftOut []LeftOut
}
