package backends

import (
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// The words for secret.Loss.What. Each has one meaning in every product, and
// Apply is that meaning as code:
//
//	What                Version  in the model, after the move
//	version             n        the version is gone; a role that named it is zero
//	value               n        the value is gone: none, Missing Destroyed unless it said why before
//	state               n        Disabled is not held: the version is enabled
//	expires             n        unset
//	not_before          n        unset
//	expires_fraction    n        cut to whole seconds
//	not_before_fraction n        cut to whole seconds
//	content_type        n        empty
//	tags                n or 0   none
//	stages              n        none
//	extra               n or 0   none
//	description         0        empty
//	uid                 n        another, derived from the product's own id
//	disabled            n        unchanged: the gateway keeps it disabled, native tools can read the value
//	current, previous   0        unchanged: the gateway keeps the role, native tools see another version in it
//	created, updated    n or 0   unchanged: the gateway keeps the time, native tools see another
//	form                n        unchanged: the gateway keeps bytes or fields, native tools see a text of them
//
// "disabled" and "state" are never foretold of the same version: the first is
// about who can get round the gateway, the second about the gateway itself.
const (
	LossVersion           = "version"
	LossValue             = "value"
	LossState             = "state"
	LossExpires           = "expires"
	LossNotBefore         = "not_before"
	LossExpiresFraction   = "expires_fraction"
	LossNotBeforeFraction = "not_before_fraction"
	LossContentType       = "content_type"
	LossTags              = "tags"
	LossStages            = "stages"
	LossExtra             = "extra"
	LossDescription       = "description"
	LossUID               = "uid"
	LossDisabled          = "disabled"
	LossCurrent           = "current"
	LossPrevious          = "previous"
	LossCreated           = "created"
	LossUpdated           = "updated"
	LossForm              = "form"
)

// Apply returns a copy of s less the losses: what a product that foretold them
// holds after Import. A lost UID is zero in the copy: which one takes its place
// is the product's affair. A word that is not in the table changes nothing, so
// that whoever compares sees the difference.
func Apply(s *secret.Secret, losses []secret.Loss) *secret.Secret {
	out := s.Clone()
	for _, l := range losses {
		if l.Version == 0 {
			loseOfSecret(out, l.What)
		} else if v := out.Find(secret.ByOrdinal(l.Version)); v != nil && l.What != LossVersion {
			loseOfVersion(v, l.What)
		}
	}
	for _, l := range losses { // last: removal would hide the version from Find
		if l.Version != 0 && l.What == LossVersion {
			removeVersion(out, l.Version)
		}
	}
	return out
}

func loseOfSecret(s *secret.Secret, what string) {
	switch what {
	case LossDescription:
		s.Description = ""
	case LossTags:
		s.Tags = nil
	case LossExtra:
		s.Extra = nil
	}
}

func loseOfVersion(v *secret.Version, what string) {
	switch what {
	case LossValue:
		v.Value = secret.Value{}
		if v.Missing == "" {
			v.Missing = secret.Destroyed
		}
	case LossState:
		v.Disabled = false
	case LossExpires:
		v.Expires = time.Time{}
	case LossNotBefore:
		v.NotBefore = time.Time{}
	case LossExpiresFraction:
		v.Expires = v.Expires.Truncate(time.Second)
	case LossNotBeforeFraction:
		v.NotBefore = v.NotBefore.Truncate(time.Second)
	case LossContentType:
		v.ContentType = ""
	case LossTags:
		v.Tags = nil
	case LossStages:
		v.Stages = nil
	case LossExtra:
		v.Extra = nil
	case LossUID:
		v.UID = secret.UID{}
	}
}

func removeVersion(s *secret.Secret, o secret.Ordinal) {
	kept := s.Versions[:0]
	for _, v := range s.Versions {
		if v.Ordinal != o {
			kept = append(kept, v)
		}
	}
	s.Versions = kept
	if s.Current == o {
		s.Current = 0
	}
	if s.Previous == o {
		s.Previous = 0
	}
}
