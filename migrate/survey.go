package migrate

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/internal/inorder"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// Survey takes the inventory of what a plan names at one side.
type Survey struct {
	Side Side
	// Target: the names at the target, digested over those of the source.
	Target  bool
	Key     inventory.Key
	Readers int
	Ends    func(error) bool
}

// Take hands each entry to write, in bytewise order of names. What is not there has
// no entry, and what cannot be read one that says so.
func (s *Survey) Take(ctx context.Context, entries func(func(*Entry) error) error, write func(*inventory.Entry) error) error {
	type ref struct{ name, of secret.Name }
	var all []ref
	if err := entries(func(e *Entry) error {
		switch {
		case e.Class == Deleted:
		case !s.Target:
			all = append(all, ref{e.Name, e.Name})
		case e.To != "":
			all = append(all, ref{e.To, e.Name})
		}
		return nil
	}); err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b ref) int { return cmp.Compare(a.name, b.name) })
	each := func(_ context.Context, do func(ref) error) error {
		for _, r := range all {
			if err := do(r); err != nil {
				return err
			}
		}
		return nil
	}
	read := func(ctx context.Context, r ref) (*inventory.Entry, error) {
		e, err := s.Side.digest(ctx, s.Key, r.name, r.of)
		switch {
		case err == nil:
			return e, nil
		case ctx.Err() != nil || s.Ends(err):
			return nil, err
		case errors.Is(err, secret.NotFound), errors.Is(err, secret.Trashed):
			return nil, nil
		}
		unread := inventory.UnreadEntry(r.name, r.of, err)
		return &unread, nil
	}
	return inorder.Do(ctx, s.Readers, each, read, func(e *inventory.Entry) error {
		if e == nil {
			return nil
		}
		return write(e)
	})
}

// Judge says how what stands at the two sides compares; nil: nothing stands there.
func (e *Entry) Judge(src, have *inventory.Entry) *Verdict {
	v := &Verdict{Entry: e}
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

// Found lists the losses of the plan that the parts show.
func (e *Entry) Found(parts []inventory.Part, src *inventory.Entry) []Loss {
	var found []Loss
	for _, l := range e.Losses {
		alone := &Entry{Losses: []Loss{l}}
		shows := func(p inventory.Part) bool {
			if p.What == inventory.PartMissing && l.What == loss.Value { // where the version is gone, so is its value
				return p.Version == l.Version
			}
			return p.What != inventory.PartUnseen && alone.foretold(p, src)
		}
		if slices.ContainsFunc(parts, shows) {
			found = append(found, l)
		}
	}
	return found
}
