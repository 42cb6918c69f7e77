package loss

import (
	"slices"

	"github.com/vaultferry/vaultferry/secret"
)

// Held reports whether s has what l takes away. It knows the words of
// attributes alone.
func Held(s *secret.Secret, l secret.Loss) bool {
	if l.Version == 0 {
		switch l.What {
		case Description:
			return s.Description != ""
		case Tags:
			return s.Tags != nil
		case Extra:
			return len(s.Extra) > 0
		case Subscriptions:
			return s.Extra[subscriptions] != nil
		}
		return false
	}
	v := s.Find(secret.ByOrdinal(l.Version))
	return v != nil && heldByVersion(v, l.What)
}

func heldByVersion(v *secret.Version, what string) bool {
	switch what {
	case State:
		return v.Disabled
	case Expires:
		return !v.Expires.IsZero()
	case NotBefore:
		return !v.NotBefore.IsZero()
	case ExpiresFraction:
		return secret.HasFraction(v.Expires)
	case NotBeforeFraction:
		return secret.HasFraction(v.NotBefore)
	case ContentType:
		return v.ContentType != ""
	case Tags:
		return v.Tags != nil
	case Stages:
		return len(v.Stages) > 0
	case Extra:
		return len(v.Extra) > 0
	case Managed:
		return slices.ContainsFunc(marksOfManaged, func(m string) bool { return v.Extra[m] != nil })
	case UID:
		return !v.UID.IsZero()
	}
	return false
}
