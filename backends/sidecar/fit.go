package sidecar

import (
	"slices"
	"sort"

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
// secret: for less of one there is where there is for more. The last one of
// which it says yes, if any, is the one that is returned.
func Fit(s *secret.Secret, kinds []Kind, why string, fits func(*secret.Secret) bool) (*secret.Secret, []secret.Loss) {
	if fits(s) {
		return s, nil
	}
	f := fitting{whole: s, fits: fits}
	for _, k := range kinds {
		f.kinds = append(f.kinds, k.attributes(s, why))
	}
	for _, of := range f.kinds {
		f.keep(of)
	}
	return f.rest(), f.lost()
}

// fitting is what Fit has decided so far. All is lost at first.
type fitting struct {
	whole *secret.Secret
	kinds [][]*attribute // each the oldest version first
	fits  func(*secret.Secret) bool
}

// attribute is one that may be lost.
type attribute struct {
	loss   secret.Loss
	kept   bool
	length int
}

// keep finds out what of one kind there is room for. It asks how many of the
// newest fit, and passes over the one that does not, with all that are no shorter.
// So it asks a few times, however many versions there are.
func (f *fitting) keep(of []*attribute) {
	of = slices.Clone(of)
	for slices.Reverse(of); len(of) > 0; {
		keep := func(n int) {
			for i, a := range of {
				a.kept = i < n
			}
		}
		fit := func(n int) bool {
			keep(n)
			return f.fits(f.rest())
		}
		if fit(len(of)) {
			return
		}
		n := sort.Search(len(of)-1, func(i int) bool { return !fit(i + 1) })
		keep(n)
		longer := of[n].length
		of = slices.DeleteFunc(of[n+1:], func(a *attribute) bool { return a.length >= longer })
	}
}

func (f *fitting) rest() *secret.Secret { return loss.Apply(f.whole, f.lost()) }

func (f *fitting) lost() (out []secret.Loss) {
	for _, of := range f.kinds {
		for _, a := range of {
			if !a.kept {
				out = append(out, a.loss)
			}
		}
	}
	return out
}

// attributes are all of the kind that s has.
func (k Kind) attributes(s *secret.Secret, why string) (out []*attribute) {
	if k.OfSecret {
		l := secret.Loss{Grade: secret.Meaning, What: k.What, Why: why}
		if loss.Held(s, l) {
			out = append(out, &attribute{loss: l})
		}
		return out
	}
	for i := range s.Versions {
		alone := &secret.Secret{Versions: s.Versions[i : i+1]}
		l := secret.Loss{Grade: secret.Meaning, Version: s.Versions[i].Ordinal, What: k.What, Why: why}
		if loss.Held(alone, l) {
			out = append(out, &attribute{loss: l, length: length(alone) - length(loss.Apply(alone, []secret.Loss{l}))})
		}
	}
	return out
}

// length is what the only version of s takes in a sidecar.
func length(s *secret.Secret) int { return len(JSON(OfVersion(&s.Versions[0], 0))) }
