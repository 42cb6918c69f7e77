package huaweicsms

import (
	"context"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// append adds a version to h.
func (b *Backend) append(ctx context.Context, h *stored, d *secret.Draft) (*secret.Secret, error) {
	p, err := h.planAppend(d, b.now())
	if err != nil {
		return nil, err
	}
	if p.describe {
		if err := h.describe(ctx, p.description); err != nil {
			return nil, p.undone(h, err)
		}
	}
	v, err := h.append(ctx, d.Value, expiry(d.Expires), p.stages)
	switch {
	case err != nil && p.ofSecret && !kit.Is(err, secret.Unknown):
		return nil, h.op("put").Partly("the secret's attributes are written, and the version is not", err)
	case err != nil:
		return nil, err
	}
	h.facts.add(v, len(p.stages) == 0)
	if err := b.finish(ctx, h, p, d, &v); err != nil {
		return nil, h.op("put").Partly("version "+idOf(v.number)+" of CSMS is written, and some attributes may not be", err)
	}
	b.listing.Enter(h.Name, h.facts.secretFact)
	return b.answer(h.Name, h.facts, v.number, d.Value), nil
}

// finish writes what comes after the version: the previous role, the tags of
// the secret, and the entry in its place if another writer took the number
// that it was made for. A request that came twice took it itself: then both
// have the entry, for the product takes no version away.
func (b *Backend) finish(ctx context.Context, h *stored, p *appending, d *secret.Draft, v *versionFact) error {
	want := wanted{description: h.facts.description, tags: p.tags, labels: map[string]int64{}}
	if v.number != p.entry.Number && p.describe {
		now, err := b.find(ctx, h.remote, nil)
		if err != nil || now == nil || now.facts.version(v.number) == nil {
			return orMalformed(err)
		}
		_, c, err := h.value(ctx, idOf(p.entry.Number))
		if unlessAbsent(err) != nil {
			return err
		}
		h.facts = now.facts
		twice := err == nil && c.value(now.trailer.entry(p.entry.Number).Form).Equal(d.Value)
		want.description = now.move(p.entry, v.number, twice)
	}
	if p.previous != 0 {
		want.labels[sysPrevious] = p.previous
	}
	if slices.Contains(p.stages, keepStage) {
		_ = h.unlabel(ctx, keepStage) // it hides nothing if it stays
	}
	_, err := run(ctx, want.steps(h.writer))
	return err
}

// move gives an entry of ours another number. One that another gateway wrote
// for the old number stays, and ours if that number is ours as well.
func (h *stored) move(e entry, number int64, both bool) string {
	t := h.trailer
	if old := t.entry(e.Number); !both && old.UID == e.UID && old.ContentType == e.ContentType && old.Disabled == e.Disabled {
		t.set(entry{Number: e.Number})
	}
	e.Number = number
	t.set(e)
	return h.join(&t)
}

// appending is an append, decided before anything is written.
type appending struct {
	entry       entry
	stages      []string
	tags        map[string]string // as the product spells them; as they are where nobody sets them
	previous    int64             // who gets that role, where the product may not give it
	description string
	describe    bool // it must be written
	ofSecret    bool // and says another thing of the secret
}

// undone is the error of a description whose version was never sent. What it
// says of a version that is not there shows to nobody.
func (p *appending) undone(h *stored, err error) error {
	if kit.Is(err, secret.Unknown) && !p.ofSecret {
		return h.op("update").Error(secret.Unavailable, "CSMS failed before the version was written", secret.Cause(err))
	}
	return err
}

// planAppend makes h the state with the version.
func (h *stored) planAppend(d *secret.Draft, now time.Time) (*appending, error) {
	number := h.facts.highest() + 1
	p := &appending{tags: h.facts.tags, ofSecret: d.OfSecret != nil || len(d.MergeExtra) > 0}
	if err := p.setStages(h.facts, d); err != nil {
		return nil, err
	}
	shown := h.facts.roles()
	switch {
	case !d.KeepCurrent:
		shown = roles{number, shown[0]}
	case d.TakePrevious:
		shown[1] = number
	}
	head := history.Of(&h.Secret, h.trailer.Shifts.Ordinal(number)-1)
	stamp := h.stamp(head, d, now)
	v := head.Next(d, h.freeUID(d.UID), stamp)
	text := h.Description
	h.become(head, append(h.Versions, v))
	h.numbers = append(h.numbers, number)
	if why := h.typeProblem(); why != "" && len(d.MergeExtra) > 0 {
		return nil, secret.Errorf(secret.Invalid, "%s", why)
	}
	if d.OfSecret != nil {
		p.tags, _ = spellTags(h.Tags)
	}
	before := h.trailer.pruned(h.facts, number, shown)
	after := before
	if after.Import = ""; !stamp.IsZero() {
		h.touch(&after)
	}
	after = h.layOut(after, shown, h.Versions[len(h.Versions)-1:])
	p.entry, p.description = after.entry(number), h.join(&after)
	p.describe = h.Description != text || sidecar.JSON(&after) != sidecar.JSON(&before)
	if p.describe && !h.fits(&after, 0) {
		return nil, secret.Errorf(secret.Invalid, "%s", noRoom)
	}
	return p, nil
}

// setStages names the labels of the new version, where the product's default,
// which is to make it current, would not do. It takes none but with a label.
func (p *appending) setStages(f *facts, d *secret.Draft) error {
	there := f.labels()
	if why := labelsProblem(there, d.Stages); why != "" {
		return secret.Errorf(secret.Invalid, "%s: %s", loss.Stages, why)
	}
	p.stages = slices.Clone(d.Stages)
	switch {
	case !d.KeepCurrent && len(d.Stages) > 0:
		p.stages = append(p.stages, sysCurrent)
		p.previous = f.holder(sysCurrent)
	case d.KeepCurrent && d.TakePrevious:
		p.stages = append(p.stages, sysPrevious)
	case d.KeepCurrent && len(d.Stages) == 0:
		p.stages = append(p.stages, keepStage)
		if len(there) >= maxLabels {
			return secret.Errorf(secret.Invalid, "%s", tooManyLabels)
		}
	}
	return nil
}

// freeUID is u, unless another version has it.
func (h *stored) freeUID(u secret.UID) secret.UID {
	if u.IsZero() || h.Find(secret.ByUID(u)) != nil {
		return secret.UID{}
	}
	return u
}

// stamp is the time of a version that may not have, or must not get, the
// product's. Zero: the product mints it. That sees to its own times, which
// rise, but knows none of those that the trailer has.
func (h *stored) stamp(head *history.Head, d *secret.Draft, now time.Time) time.Time {
	var last time.Time
	for i := range h.trailer.Versions {
		last = history.Later(last, h.trailer.Versions[i].Created.Time)
	}
	if d.Created.IsZero() && now.UTC().Truncate(time.Millisecond).After(last.Truncate(time.Millisecond)) {
		return time.Time{}
	}
	return head.Stamp(now)
}
