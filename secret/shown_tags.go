package secret

import "maps"

// ShownTags is what is shown for a version: its own tags, and where it is
// without, those of the secret. For a nil version it is what is shown for the
// secret as a whole: its own tags, and where it is without, those of its current
// version. The two dialects have different places for tags; so each shows what
// the other has set.
//
// Without tags is nil; an empty set is a set, and hides what is behind it. What
// is shown is a view: it is never stored but where a client sets it.
func (s *Secret) ShownTags(v *Version) map[string]string {
	switch current := s.Find(Current); {
	case v != nil && v.Tags != nil:
		return v.Tags
	case v == nil && s.Tags == nil && current != nil:
		return current.Tags
	}
	return s.Tags
}

// SameTags reports whether both are without tags, or have the same set.
func SameTags(a, b map[string]string) bool { return (a == nil) == (b == nil) && maps.Equal(a, b) }
