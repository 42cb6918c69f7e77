package history

import (
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// State is one secret with all its versions, for a store that keeps them
// together.
type State struct {
	Head
	Versions []secret.Version
}

// StateOf returns the state of a secret that is imported as it is. It refuses
// what HeadOf refuses.
func StateOf(s *secret.Secret) (*State, error) {
	h, err := HeadOf(s)
	if err != nil {
		return nil, err
	}
	return &State{*h, s.Clone().Versions}, nil
}

// Append adds the version of a draft, which the caller has checked, and returns
// it. A UID that another version holds is replaced.
func (s *State) Append(d *secret.Draft, now time.Time) secret.Version {
	uid := d.UID
	for uid.IsZero() || s.index(secret.ByUID(uid)) >= 0 {
		uid = secret.NewUID()
	}
	v := s.Head.Append(d, uid, now)
	s.Versions = append(s.Versions, v)
	return v
}

// Patch applies p, which the caller has checked, to the version that sel picks,
// and returns its ordinal. NotFound: there is no such version.
func (s *State) Patch(sel secret.Selector, p *secret.Patch, now time.Time) (secret.Ordinal, error) {
	i := s.index(sel)
	if i < 0 {
		return 0, secret.Errorf(secret.NotFound, "no such version")
	}
	return s.Versions[i].Ordinal, s.Head.Patch(&s.Versions[i], p, now)
}

func (s *State) index(sel secret.Selector) int {
	if sel.IsCurrent() {
		sel = secret.ByOrdinal(s.Secret.Current)
	}
	return slices.IndexFunc(s.Versions, func(v secret.Version) bool {
		return sel.Ordinal != 0 && v.Ordinal == sel.Ordinal || !sel.UID.IsZero() && v.UID == sel.UID
	})
}

// View returns the secret with all versions, values included.
func (s *State) View() *secret.Secret { return s.Head.View(s.Versions...) }
