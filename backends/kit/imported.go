package kit

import (
	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Imported tells of an import that is done in one step: all of s stands.
func Imported(s *secret.Secret) *backends.Imported {
	done := &backends.Imported{Secret: s.WithoutValues()}
	for i := range s.Versions {
		done.Stands = append(done.Stands, s.Versions[i].Ordinal)
	}
	return done
}
