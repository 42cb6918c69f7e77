package huaweicsms

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// append adds a version to h.
func (b *Backend) append(ctx context.Context, h *stored, d *secret.Draft) (*secret.Secret, error) {
	p, err := b.planAppend(h, d)
	if err != nil {
		return nil, err
	}
	w := b.writer(h.Name, h.f.wire)
	if p.describe {
		if err := w.describe(ctx, p.description); err != nil {
			return nil, p.undone(err)
		}
		h.f.description = p.description
	}
	expires, _ := expiry(d.Expires)
	v, err := w.append(ctx, d.Value, expires, p.stages)
	switch {
	case err != nil && p.ofSecret && !is(err, secret.Unknown):
		return nil, partly("put", h.Name, "the secret's attributes are written, and the version is not", err)
	case err != nil:
		return nil, err
	}
	h.f.add(v, len(p.stages) == 0)
	if err := b.finish(ctx, w, h, p, d, &v); err != nil {
		return nil, partly("put", h.Name, "version "+idOf(v.number)+" of CSMS is written, and some attributes may not be", err)
	}
	b.listing.Enter(h.Name, h.f.head)
	return b.answer(h.Name, h.f, v.number, d.Value), nil
}

// finish writes what comes after the version: the previous role, the tags of
// the secret, and the entry in its place if another writer took the number
// that it was made for. A request that came twice took it itself: then both
// have the entry, for the product takes no version away.
func (b *Backend) finish(ctx context.Context, w writer, h *stored, p *appending, d *secret.Draft, v *versionFact) error {
	want := wanted{description: h.f.description, tags: p.tags, labels: map[string]int64{}}
	if v.number != p.entry.Number && p.describe {
		now, err := b.look(ctx, h.Name, h.f.wire)
		if err != nil || now == nil || now.f.version(v.number) == nil {
			return orError(err, errMalformed)
		}
		_, c, err := b.client.value(ctx, h.Name, h.f.wire, idOf(p.entry.Number))
		if err != nil && !is(err, secret.NotFound) {
			return err
		}
		h.f = now.f
		want.description = move(now, p.entry, v.number, err == nil && now.value(p.entry.Number, c).Equal(d.Value))
	}
	if p.previous != 0 {
		want.labels[sysPrevious] = p.previous
	}
	if slices.Contains(p.stages, ourStage) {
		_ = w.unlabel(ctx, ourStage) // it hides nothing if it stays
		h.f.unlabel(ourStage)
	}
	_, err := run(ctx, want.steps(w, h.f))
	return err
}

// move gives an entry of ours another number. One that another gateway wrote
// for the old number stays, and ours if that number is ours as well.
func move(now *stored, e entry, number int64, both bool) string {
	t := now.t
	if old := t.entry(e.Number); !both && old.UID == e.UID && old.Type == e.Type && old.Disabled == e.Disabled {
		t = t.set(entry{Number: e.Number})
	}
	e.Number = number
	t = t.set(e)
	return join(now.f.wire, now.human, &t)
}

// appending is an append, decided before anything is written.
type appending struct {
	entry       entry
	stages      []string
	tags        map[string]string // as spelt; as they are where nobody sets them
	previous    int64             // who gets that role, where the product may not give it
	description string
	describe    bool // it must be written
	ofSecret    bool // and says another thing of the secret
}

// undone is the error of a description whose version was never sent. What it
// says of a version that is not there shows to nobody.
func (p *appending) undone(err error) error {
	if e, ok := errors.AsType[*secret.Error](err); ok && e.Kind == secret.Unknown && !p.ofSecret {
		return &secret.Error{Kind: secret.Unavailable, Op: e.Op, Name: e.Name, Detail: "CSMS failed before the version was written", Err: e.Err}
	}
	return err
}

func (b *Backend) planAppend(h *stored, d *secret.Draft) (*appending, error) {
	p := &appending{entry: draftEntry(h.f.highest()+1, d), tags: h.f.tags}
	if why := labelsProblem(h.f.labels(), d.Stages); why != "" {
		return nil, secret.Errorf(secret.Invalid, "%s: %s", loss.Stages, why)
	}
	p.setStages(h.f, d)
	if slices.Contains(p.stages, ourStage) && len(h.f.labels()) >= maxLabels {
		return nil, secret.Errorf(secret.Invalid, "%s", tooManyLabels)
	}
	b.identify(h, &p.entry)
	t := h.t.keep(h.f.versions).set(p.entry)
	t.Import, t.Days = "", 0
	if isHash(h.f.wire) {
		t.Name = h.Name
	}
	if !t.Updated.IsZero() && !p.entry.Created.IsZero() {
		t.Updated = compact(history.Later(t.Updated.Time, b.now().UTC().Truncate(time.Millisecond)))
	}
	t.Roles = nextRoles(h, d, p.entry.Number).needed()
	human := h.human
	if a := d.OfSecret; a != nil {
		human, t.Extra = a.Description, sidecar.Members(a.Extra)
		p.tags, _ = spellTags(a.Tags)
	}
	extra := history.PatchExtra(secret.Extra(t.Extra), d.MergeExtra)
	t.Extra = sidecar.Members(extra)
	if h.f.kind != kindCommon && len(d.MergeExtra) > 0 && extra.Text(extraType) != "" && extra.Text(extraType) != h.f.kind {
		return nil, secret.Errorf(secret.Invalid, "CSMS keeps the type of the secret")
	}
	p.ofSecret = d.OfSecret != nil || len(d.MergeExtra) > 0
	p.description = join(h.f.wire, human, &t)
	old := h.t.entry(p.entry.Number) // of a write that failed
	p.describe = p.description != h.f.description && (p.ofSecret || !p.entry.empty() || !old.empty() || h.unfinished() ||
		t.Name != h.t.Name || t.Roles != nil && !t.Roles.same(h.t.Roles) || t.Updated != h.t.Updated)
	if p.describe && !fits(h.f.wire, human, &t, 0) {
		return nil, secret.Errorf(secret.Invalid, "%s", noRoom)
	}
	return p, nil
}

// setStages names the labels of the new version, where the product's default,
// which is to make it current, would not do. It takes none but with a label.
func (p *appending) setStages(f *facts, d *secret.Draft) {
	p.stages = slices.Clone(d.Stages)
	switch {
	case !d.KeepCurrent && len(d.Stages) > 0:
		p.stages = append(p.stages, sysCurrent)
		p.previous = f.holder(sysCurrent)
	case d.KeepCurrent && d.TakePrevious:
		p.stages = append(p.stages, sysPrevious)
	case d.KeepCurrent && len(d.Stages) == 0:
		p.stages = append(p.stages, ourStage)
	}
}

// identify completes the entry: an ordinal above all others, a UID that no
// other version has, and a time after all others.
func (b *Backend) identify(h *stored, e *entry) {
	last := h.Newest()
	if last == nil {
		return
	}
	if o := secret.Ordinal(e.Number) + h.t.Offset; o <= last.Ordinal {
		e.Ordinal = last.Ordinal + 1
	}
	if h.Find(secret.ByUID(secret.UID(e.UID))) != nil {
		e.UID = sidecar.UID{}
	}
	if now := b.now().UTC().Truncate(time.Millisecond); e.Created.IsZero() && !now.After(h.latest()) {
		e.Created = compact(h.latest().Add(time.Millisecond))
	}
}

// nextRoles are those once the draft is written as number.
func nextRoles(h *stored, d *secret.Draft, number int64) roles {
	r := h.roles()
	switch {
	case !d.KeepCurrent:
		return roles{number, r.TheirCurrent, number, r.Current}
	case d.TakePrevious:
		r.TheirPrevious, r.Previous = number, number
	}
	return r
}
