package migrate

import (
	"cmp"
	"context"
	"slices"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Survey takes the inventory of what a plan names at one side.
type Survey struct {
	Live
	// Target: the names at the target, digested over those of the source.
	Target  bool
	Readers int
	// Absent is told of what is not there. May be nil.
	Absent func(secret.Name)
}

// Names reports whether the secret of the plan has a name at the side.
func (s *Survey) Names(e *Entry) bool { return e.Class != Deleted && (!s.Target || e.To != "") }

// Take hands each entry to write, in bytewise order of names. What is not there has
// no entry, and what cannot be read one that says so.
func (s *Survey) Take(ctx context.Context, entries func(func(*Entry) error) error, write func(*inventory.Entry) error) error {
	of := map[secret.Name]secret.Name{} // where it is another
	names := []secret.Name{}
	if err := entries(func(e *Entry) error {
		switch {
		case !s.Names(e):
		case !s.Target:
			names = append(names, e.Name)
		default:
			names = append(names, e.To)
			if e.To != e.Name {
				of[e.To] = e.Name
			}
		}
		return nil
	}); err != nil {
		return err
	}
	src := inventory.Source{
		Names: names, Absent: s.Absent, Readers: s.Readers, Of: func(n secret.Name) secret.Name { return cmp.Or(of[n], n) },
	}
	src.Digest = func(ctx context.Context, n secret.Name) (*inventory.Entry, error) {
		return s.Digest(ctx, s.Key, n, gateway.DigestOptions{Of: src.Of(n), NoValues: s.NoValues})
	}
	return src.Take(ctx, write, s.Ends)
}

// Judge says how what stands at the two sides compares; nil: nothing stands there.
func (e *Entry) Judge(src, have *inventory.Entry) *Verdict {
	v := &Verdict{Entry: e, Source: src}
	switch {
	case src == nil && have == nil:
		v.Sign, v.Why = inventory.OnlyB, "neither side has it any more"
	case have == nil:
		v.Sign = inventory.OnlyA
	case src == nil:
		v.Sign = inventory.OnlyB
	default:
		d := inventory.Compare(src, have)
		v.Sign, v.Parts = d.Sign, d.Parts
		for _, part := range d.Parts {
			if part.What == inventory.PartUnseen {
				v.Unseen++
			}
		}
		v.Foretold = (d.Sign == inventory.Attribute || d.Sign == inventory.Different) &&
			!slices.ContainsFunc(d.Parts, func(p inventory.Part) bool { return !e.foretold(p, src) })
	}
	return v
}

// Found lists the losses of the plan that the comparison shows.
func (v *Verdict) Found() []Loss {
	if v.Source == nil {
		return nil
	}
	var found []Loss
	for _, l := range v.Entry.Losses {
		alone := &Entry{Losses: []Loss{l}}
		shows := func(p inventory.Part) bool {
			if p.What == inventory.PartMissing && l.What == loss.Value { // where the version is gone, so is its value
				return p.Version == l.Version
			}
			return p.What != inventory.PartUnseen && alone.foretold(p, v.Source)
		}
		if slices.ContainsFunc(v.Parts, shows) {
			found = append(found, l)
		}
	}
	return found
}
