package loss

import (
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// The words for secret.Loss.What. Each has one meaning in every product, and
// Apply is that meaning as code:
//
//	What                Version  in the model, after the move
//	version             n        the version is gone; a role that named it is zero
//	value               n        the value is gone: none, Missing Destroyed; Unsaved, where it was Deleted or Unreadable
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
//	ordinal             n        unchanged: what native tools write next may change it in the source
//	subscriptions       0        the secret subscribes to no event of Huawei's API
//	managed             n        no certificate of Key Vault manages the version: it is a plain one
//	number              0        unchanged: the gateway keeps the ordinals, native tools see other numbers
//	deletion            n        unchanged: the product that it comes from was to delete it, nothing else does
//
// "disabled" and "state" are never foretold of the same version: the first is
// about who can get round the gateway, the second about the gateway itself.
const (
	Version           = "version"
	Value             = "value"
	State             = "state"
	Expires           = "expires"
	NotBefore         = "not_before"
	ExpiresFraction   = "expires_fraction"
	NotBeforeFraction = "not_before_fraction"
	ContentType       = "content_type"
	Tags              = "tags"
	Stages            = "stages"
	Extra             = "extra"
	Description       = "description"
	UID               = "uid"
	Disabled          = "disabled"
	Current           = "current"
	Previous          = "previous"
	Created           = "created"
	Updated           = "updated"
	Form              = "form"
	Ordinal           = "ordinal"
	Subscriptions     = "subscriptions"
	Managed           = "managed"
	Number            = "number"
	Deletion          = secret.LossDeletion
)

// Apply returns a copy of s less the losses: what a product that foretold them
// holds after Import. A lost UID is zero in the copy: which one takes its place
// is the product's affair. A word that is not in the table changes nothing, so
// that whoever compares sees the difference.
func Apply(s *secret.Secret, losses []secret.Loss) *secret.Secret {
	out := s.Clone()
	at := make(map[secret.Ordinal]int, len(out.Versions))
	for i := range out.Versions {
		at[out.Versions[i].Ordinal] = i
	}
	gone := map[secret.Ordinal]bool{}
	for _, l := range losses {
		switch i, there := at[l.Version]; {
		case l.Version == 0:
			loseOfSecret(out, l.What)
		case l.What == Version:
			gone[l.Version] = true
		case there:
			loseOfVersion(&out.Versions[i], l.What)
		}
	}
	removeVersions(out, gone)
	return out
}

func loseOfSecret(s *secret.Secret, what string) {
	switch what {
	case Description:
		s.Description = ""
	case Tags:
		s.Tags = nil
	case Extra:
		s.Extra = nil
	case Subscriptions:
		s.Extra = without(s.Extra, subscriptions)
	}
}

func loseOfVersion(v *secret.Version, what string) {
	switch what {
	case Value:
		v.Value, v.Missing = secret.Value{}, withoutValue(v.Missing)
	case State:
		v.Disabled = false
	case Expires:
		v.Expires = time.Time{}
	case NotBefore:
		v.NotBefore = time.Time{}
	case ExpiresFraction:
		v.Expires = secret.CutFraction(v.Expires)
	case NotBeforeFraction:
		v.NotBefore = secret.CutFraction(v.NotBefore)
	case ContentType:
		v.ContentType = ""
	case Tags:
		v.Tags = nil
	case Stages:
		v.Stages = nil
	case Extra:
		v.Extra = nil
	case UID:
		v.UID = secret.UID{}
	case Managed:
		v.Extra = without(v.Extra, marksOfManaged...)
	}
}

// withoutValue is the reason for a missing value at any other place than the one
// that said was given at: nothing brings the value back there.
func withoutValue(said secret.Missing) secret.Missing {
	switch said {
	case secret.Deleted, secret.Unreadable, secret.Unsaved:
		return secret.Unsaved
	}
	return secret.Destroyed
}

// marksOfManaged are the members of a version's Extra that say that a
// certificate of Key Vault manages it.
var marksOfManaged = []string{"azure.managed", "azure.kid"}

// subscriptions is the member of a secret's Extra that names events.
const subscriptions = "huawei.event_subscriptions"

func without(e secret.Extra, members ...string) secret.Extra {
	e = e.Clone()
	for _, m := range members {
		delete(e, m)
	}
	if len(e) == 0 {
		return nil
	}
	return e
}

func removeVersions(s *secret.Secret, gone map[secret.Ordinal]bool) {
	s.Versions = slices.DeleteFunc(s.Versions, func(v secret.Version) bool { return gone[v.Ordinal] })
	if gone[s.Current] {
		s.Current = 0
	}
	if gone[s.Previous] {
		s.Previous = 0
	}
}

// TakesAway reports whether the model lacks what l names once it is lost. The
// other words are about what native tools see.
func TakesAway(l secret.Loss) bool {
	switch l.What {
	case Disabled, Current, Previous, Created, Updated, Form, Ordinal, Subscriptions, Managed, Number, Deletion:
		return false
	}
	return true
}
