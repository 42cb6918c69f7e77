package sidecar

import (
	"slices"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Kind is a kind of attribute that a sidecar holds, in a word of package loss:
// of each version, or of the secret as a whole.
type Kind struct {
	What     string
	OfSecret bool
}

// Fit returns what of s there is room for, and lists what is lost. Room is
// given to the kinds in their order, and where there is not enough for all
// versions, to the newest first. fits reports whether there is room for a
// secret.
func Fit(s *secret.Secret, kinds []Kind, why string, fits func(*secret.Secret) bool) (*secret.Secret, []secret.Loss) {
	if fits(s) {
		return s, nil
	}
	var lost []secret.Loss
	for _, k := range kinds {
		lost = append(lost, k.of(s, why)...)
	}
	keep := func(of []secret.Loss) bool {
		rest := slices.DeleteFunc(slices.Clone(lost), func(l secret.Loss) bool { return slices.Contains(of, l) })
		if !fits(loss.Apply(s, rest)) {
			return false
		}
		lost = rest
		return true
	}
	for _, k := range kinds {
		all := k.of(s, why)
		if len(all) == 0 || keep(all) {
			continue
		}
		for i := range slices.Backward(all) {
			keep(all[i : i+1])
		}
	}
	return loss.Apply(s, lost), lost
}

// of lists the losses of everything of the kind.
func (k Kind) of(s *secret.Secret, why string) []secret.Loss {
	if k.OfSecret {
		l := secret.Loss{Grade: secret.Meaning, What: k.What, Why: why}
		if loss.Held(s, l) {
			return []secret.Loss{l}
		}
		return nil
	}
	var out []secret.Loss
	for i := range s.Versions {
		l := secret.Loss{Grade: secret.Meaning, Version: s.Versions[i].Ordinal, What: k.What, Why: why}
		if loss.Held(s, l) {
			out = append(out, l)
		}
	}
	return out
}
