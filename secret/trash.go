package secret

import (
	"encoding/json"
	"slices"
	"time"
)

// Deletion says that a secret is in the trash: deleted, and recoverable until
// it is purged.
type Deletion struct {
	// At is when it was deleted.
	At time.Time
	// Purge is when it goes for good. Until somebody asks for the name, or
	// sweeps, it may stay in the product longer; the gateway answers as if it
	// were gone. Zero: never by itself.
	Purge time.Time
}

// Over reports whether the time to recover is over. What is live, or has no
// date to go at, is never over.
func (d *Deletion) Over(now time.Time) bool {
	return d != nil && !d.Purge.IsZero() && !now.Before(d.Purge)
}

// SameDeletion reports whether both are one deletion of one secret, with the
// same versions: what was brought back and deleted anew is another.
func (s *Secret) SameDeletion(o *Secret) bool {
	return s.Name == o.Name && s.Deleted != nil && o.Deleted != nil &&
		s.Deleted.At.Equal(o.Deleted.At) && s.Deleted.Purge.Equal(o.Deleted.Purge) &&
		slices.EqualFunc(s.Versions, o.Versions, func(a, b Version) bool { return a.Ordinal == b.Ordinal && a.UID == b.UID })
}

// Patch changes attributes after the fact. A nil member leaves what is there;
// a pointer to a zero value clears it.
type Patch struct {
	// Of the version.
	ContentType *string
	Disabled    *bool
	NotBefore   *time.Time
	Expires     *time.Time
	Tags        *map[string]string // replaces the whole map; a nil one: without tags

	// Labels that move to the version from whichever holds them, and labels
	// that leave it.
	AddStages, DropStages []string
	// MakeCurrent and MakePrevious give the version the role. With the first,
	// the former current version becomes previous; where the version is
	// current already, nothing moves. The current version cannot become
	// previous (Invalid), nor can a label be added and dropped at once.
	MakeCurrent, MakePrevious bool

	// Of the secret.
	Description *string
	SecretTags  *map[string]string // as Tags
	// Extra is merged into the secret's; a nil member is removed.
	Extra map[string]json.RawMessage

	// If, unless empty, is the one state of the secret that is changed: see
	// backends.Marker, which alone looks at it.
	If Mark
}
