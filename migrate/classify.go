package migrate

import (
	"context"
	"errors"
	"slices"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
)

// errGone: the secret went since it was listed.
var errGone = errors.New("migrate: gone")

// classify reads both sides of one secret and says what is to be done. Requests are
// those to the source. Its errors end the plan.
func (p *Planner) classify(ctx context.Context, e *Entry) (requests int64, err error) {
	packing, asked := backends.WithCallCount(ctx)
	packed, err := p.From.pack(packing, p.Key, e.Name, gateway.PackOptions{BackupOptions: p.Header.Rules.backup(), Foretell: true})
	switch {
	case err == nil:
	case p.fatal(ctx, err):
		return 0, err
	case errors.Is(err, secret.NotFound) && p.Names == nil:
		if done, err := p.reclass(ctx, e); done || err != nil {
			return asked(), err
		}
		return 0, errGone
	default:
		e.Class, e.Why = Unreadable, message(err)
		return asked(), nil
	}
	if packed.Entry.Empty() {
		if done, err := p.reclass(ctx, e); done || err != nil {
			return asked(), err
		}
	}
	e.Source = p.Key.StateOf(packed.Entry)
	return asked(), p.compare(ctx, e, packed)
}

// compare puts what was packed beside the target.
func (p *Planner) compare(ctx context.Context, e *Entry, packed *gateway.Packed) error {
	have, err := p.standing(ctx, e)
	switch {
	case err != nil && p.fatal(ctx, err):
		return err
	case err != nil:
		e.Class, e.Why = Refused, "the target: "+message(err)
		return nil
	case have == nil:
		return p.create(ctx, e, packed)
	}
	return p.beside(ctx, e, packed, have)
}

// fatal: no other secret would fare better.
func (p *Planner) fatal(ctx context.Context, err error) bool { return ctx.Err() != nil || p.Ends(err) }

func (r Rules) backup() gateway.BackupOptions {
	return gateway.BackupOptions{OnLoss: r.OnLoss, OnLossOf: r.OnLossOf}
}

func (r Rules) restore(e *Entry) gateway.RestoreOptions {
	o := gateway.RestoreOptions{As: e.To, OnLoss: r.OnLoss, OnLossOf: r.OnLossOf, KeepTrash: true, LookBack: true}
	if e.Action == DoAppend {
		o.OnConflict, o.Append = gateway.ConflictAppend, e.appends()
	}
	return o
}

// appends are the versions that an append is about: those that it is to add, and those
// that the plan foretold to be lost.
func (e *Entry) appends() []secret.Ordinal {
	all := slices.Clone(e.Versions)
	for _, l := range e.Losses {
		if l.What == loss.Version && !slices.Contains(all, l.Version) {
			all = append(all, l.Version)
		}
	}
	return all
}

// standing is what the target has under the name; nil: nothing.
func (p *Planner) standing(ctx context.Context, e *Entry) (*inventory.Entry, error) {
	if !p.there[e.To] {
		return nil, nil
	}
	have, err := p.To.Digest(ctx, p.Key, e.To, gateway.DigestOptions{Of: e.Name})
	if errors.Is(err, secret.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if shown, err := p.shown(ctx, have); !shown || err != nil {
		return nil, err
	}
	return have, nil
}

// rehearse asks the target what a restore would do. Nil without error: e says why
// there is none.
func (p *Planner) rehearse(ctx context.Context, e *Entry, packed *gateway.Packed) (*gateway.Outcome, error) {
	o := p.Header.Rules.restore(e)
	o.DryRun, o.Foretell = true, true
	out, err := p.To.restore(ctx, packed.Blob, o)
	switch {
	case err == nil:
	case p.fatal(ctx, err):
		return nil, err
	case errors.Is(err, secret.AlreadyExists):
		e.Class, e.Action, e.Why = Conflict, "", "the target took the name while the plan was made"
		return nil, nil
	case errors.Is(err, secret.Trashed):
		e.Class, e.Action = Conflict, ""
		e.Why = "the name lies in the target's trash: recover it there and plan again, or purge it, or give the secret another name with --rename"
		return nil, nil
	default:
		e.Class, e.Action, e.Why = Refused, "", message(err)
		return nil, nil
	}
	e.addLosses(packed.Losses)
	e.addLosses(out.Losses)
	return out, nil
}

func (p *Planner) create(ctx context.Context, e *Entry, packed *gateway.Packed) error {
	e.Class, e.Action = Create, DoCreate
	out, err := p.rehearse(ctx, e, packed)
	if out == nil {
		return err
	}
	for i := range out.Secret.Versions {
		e.Versions = append(e.Versions, out.Secret.Versions[i].Ordinal)
	}
	e.weigh(packed, out)
	if len(e.Versions) == 0 {
		e.Class, e.Action, e.Why = Refused, "", "the target can hold none of its versions"
		if i := slices.IndexFunc(out.Losses, func(l secret.Loss) bool { return l.What == loss.Version }); i >= 0 {
			e.Why += ": " + out.Losses[i].Sentence()
		}
	}
	return nil
}

// weigh lets losses decide.
func (e *Entry) weigh(packed *gateway.Packed, out *gateway.Outcome) {
	if slices.ContainsFunc(e.Losses, func(l Loss) bool { return l.Grade != secret.Trace.String() }) {
		e.Class = Loses
	}
	if packed.Entry.Managed {
		e.Class = Managed
	}
	for _, why := range []string{packed.Refused, out.Refused} {
		if why != "" && e.Why == "" {
			e.Action, e.Why = "", why
		}
	}
}

// beside is for a name that both sides have.
func (p *Planner) beside(ctx context.Context, e *Entry, packed *gateway.Packed, have *inventory.Entry) error {
	e.Target = p.Key.StateOf(have)
	d := inventory.Compare(packed.Entry, have)
	for _, part := range d.Parts {
		e.Differs = append(e.Differs, Differs(part))
		if part.What == inventory.PartAdded {
			e.Foreign++
		}
	}
	lacking := slices.DeleteFunc(inventory.Lacking(packed.Entry, have), func(o secret.Ordinal) bool { return pushedOut(have, packed.Entry, o) })
	why := foreign(d, packed.Entry, have)
	switch {
	case d.Sign == inventory.Same:
		e.Class = Same
		return nil
	case why != "" && p.Header.Rules.OnConflict != gateway.ConflictAppend:
		e.Class, e.Why = Conflict, why
		return nil
	case len(lacking) == 0:
		e.Class = Changed
		return nil
	}
	e.Class, e.Action, e.Versions = Append, DoAppend, lacking
	out, err := p.rehearse(ctx, e, packed)
	if out == nil {
		return err
	}
	lost := func(o secret.Ordinal) bool {
		return slices.ContainsFunc(out.Losses, func(l secret.Loss) bool { return l.Version == o && l.What == loss.Version })
	}
	e.Versions = slices.DeleteFunc(slices.Clone(lacking), lost)
	switch {
	case len(e.Versions) == 0:
		e.Class, e.Action = Changed, ""
	case p.Header.Rules.OnConflict != gateway.ConflictAppend && older(packed.Entry, have, e.Versions):
		e.Class, e.Action, e.Versions = Conflict, "", nil
		e.Why = "the target lacks versions that are older than what it has"
	}
	if e.Action != "" {
		e.number(have)
		e.weigh(packed, out)
	}
	return nil
}

// number says which versions an append gives another number: it counts on after
// those that stand.
func (e *Entry) number(have *inventory.Entry) {
	var last secret.Ordinal
	for i := range have.Versions {
		last = max(last, have.Versions[i].Number)
	}
	for i, o := range e.Versions {
		if n := last + secret.Ordinal(i) + 1; n != o {
			if e.Numbers == nil {
				e.Numbers = map[secret.Ordinal]secret.Ordinal{}
			}
			e.Numbers[o] = n
		}
	}
}

// foreign says what the target has that is not the source's; empty: nothing.
func foreign(d inventory.Difference, src, have *inventory.Entry) string {
	for _, part := range d.Parts {
		switch part.What {
		case inventory.PartAdded:
			if !pushedOut(src, have, part.Version) {
				return "the target has versions that the source does not have"
			}
		case inventory.PartValue:
			if why := otherValue(src, have, part.Version); why != "" {
				return why
			}
		case inventory.PartOrder:
			return "the versions have another order at the target"
		}
	}
	return ""
}

// pushedOut reports whether e had the version of other once and does not keep it any
// more: a product that keeps so many versions drops the oldest. It is older than all that e
// has, and the oldest of these stands in other, too, under the same number.
func pushedOut(e, other *inventory.Entry, version secret.Ordinal) bool {
	i := slices.IndexFunc(e.Versions, func(v inventory.Version) bool { return inventory.Standing(&v) })
	if i < 0 || version >= e.Versions[i].Number {
		return false
	}
	oldest := &e.Versions[i]
	return slices.ContainsFunc(other.Versions, func(v inventory.Version) bool {
		return v.Number == oldest.Number && (v.UID == oldest.UID || v.Value == oldest.Value && v.Value != "")
	})
}

// otherValue is for a version of src that has not the same value in have. Empty: somebody
// took its value away at the source, which is no other value.
func otherValue(src, have *inventory.Entry, version secret.Ordinal) string {
	i := slices.IndexFunc(src.Versions, func(v inventory.Version) bool { return v.Number == version })
	v := &src.Versions[i]
	switch {
	case v.Value == "":
		return ""
	case slices.ContainsFunc(have.Versions, func(w inventory.Version) bool { return w.UID == v.UID && w.Value == "" }):
		return "a version has no value at the target any more"
	}
	return "a version has another value at the target"
}

// older reports whether any of the versions comes before one that both have.
func older(src, have *inventory.Entry, versions []secret.Ordinal) bool {
	lacking := inventory.Lacking(src, have)
	var last secret.Ordinal
	for i := range src.Versions {
		if v := &src.Versions[i]; inventory.Standing(v) && !slices.Contains(lacking, v.Number) {
			last = max(last, v.Number)
		}
	}
	return slices.ContainsFunc(versions, func(o secret.Ordinal) bool { return o < last })
}

// Foretold is the entry of a secret that was restored, for Judge to know what the
// restore foretold.
func Foretold(name secret.Name, out *gateway.Outcome) *Entry {
	e := &Entry{Name: name, Numbers: map[secret.Ordinal]secret.Ordinal{}}
	e.addLosses(out.Losses)
	for was, is := range out.Versions {
		if was != is {
			e.Numbers[was] = is
		}
	}
	return e
}

// addLosses adds those that e does not have.
func (e *Entry) addLosses(losses []secret.Loss) {
	for _, l := range losses {
		if !slices.ContainsFunc(e.Losses, func(h Loss) bool { return h.Version == l.Version && h.What == l.What }) {
			e.Losses = append(e.Losses, Loss{l.Grade.String(), l.Version, l.What, l.Why})
		}
	}
}
