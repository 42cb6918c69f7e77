package history

import "github.com/vaultferry/vaultferry/secret"

// Oldest returns the oldest version of s that holds neither a role nor a
// label, or nil: what goes first where a product holds too few.
func Oldest(s *secret.Secret) *secret.Version {
	for i := range s.Versions {
		if v := &s.Versions[i]; Free(s, v) {
			return v
		}
	}
	return nil
}

// Free reports whether v holds neither a role nor a label in s.
func Free(s *secret.Secret, v *secret.Version) bool {
	return v.Ordinal != s.Current && v.Ordinal != s.Previous && len(v.Stages) == 0
}
