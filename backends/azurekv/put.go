package azurekv

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Put implements backends.Backend. It reads what is there, and writes.
//
// A draft of 15 tags leaves no place for ours. It is written without, if the
// product's own facts say everything about it, and has then the identity that
// these facts give.
func (b *Backend) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	wire, err := naming.Encode(name)
	if err != nil {
		return nil, err
	}
	if err := checkDraft(&d); err != nil {
		return nil, err
	}
	release, err := b.locks.Lock(ctx, name)
	if err != nil {
		return nil, err
	}
	defer release()
	h, items, err := b.before(ctx, name, wire)
	if err != nil {
		return nil, err
	}
	if err := allowed(h, name, &d); err != nil {
		return nil, err
	}
	s, err := b.draftSheet(h, wire, &d)
	if err != nil {
		return nil, err
	}
	path := wire
	if h == nil {
		path = spelling(wire, attributes(h, &d).Extra)
	}
	it, err := b.client.set(ctx, name, path, s.parameters())
	if err != nil {
		return nil, err
	}
	b.listing.Enter(name, it)
	return after(b.place, name, items, it, d.Value)
}

// before returns nothing and no error where the name is free. What it returns
// is not open: see open.go.
func (b *Backend) before(ctx context.Context, name secret.Name, wire string) (*stored, []item, error) {
	items, err := b.client.versions(ctx, name, wire, nothing)
	if err == nil && slices.ContainsFunc(items, func(it item) bool { return it.isOpened() }) {
		items, err = b.closed(ctx, name, wire)
	}
	switch {
	case err != nil:
		return nil, nil, err
	case len(items) == 0:
		return nil, nil, nil
	case !undecided(b.place, items):
		return newStored(b.place, name, items, ""), items, nil
	}
	h, err := b.load(ctx, name, wire, nothing)
	if err != nil {
		return nil, nil, err
	}
	return h, h.items(), nil
}

// after is the state with one more version, of which it returns that one.
func after(p place, name secret.Name, items []item, it item, v secret.Value) (*secret.Secret, error) {
	h := newStored(p, name, append(items, it), it.id)
	for i := range h.entries {
		if e := &h.entries[i]; e.id == it.id {
			h.Versions[i].Value, h.Versions[i].Missing = v, ""
			return h.Only(e.ordinal), nil
		}
	}
	return nil, &secret.Error{Kind: secret.Unknown, Op: "azurekv.set", Name: name, Err: kit.ErrMalformed}
}

func (h *stored) items() []item {
	out := make([]item, len(h.entries))
	for i := range h.entries {
		out[i] = h.entries[i].item
	}
	return out
}

// checkDraft refuses what the product cannot hold, whatever is there.
func checkDraft(d *secret.Draft) error {
	if err := history.CheckDraft(d); err != nil {
		return err
	}
	if d.Missing != "" {
		return secret.Errorf(secret.Unsupported, "Key Vault holds no version without a value")
	}
	if kind, why := valueProblem(d.Value); why != "" {
		return secret.Errorf(kind, "%s", why)
	}
	if len(d.Tags) > maxTags {
		return secret.Errorf(secret.Invalid, "Key Vault holds at most 15 tags")
	}
	if why := tagTextProblem(d.Tags); why != "" {
		return secret.Errorf(secret.Invalid, "%s", why)
	}
	return nil
}

func allowed(h *stored, name secret.Name, d *secret.Draft) error {
	switch {
	case h == nil:
		return nil
	case d.OnlyIfAbsent:
		return &secret.Error{Kind: secret.AlreadyExists, Op: "azurekv.put", Name: name}
	case history.PatchExtra(h.Extra, d.MergeExtra).Text(extraName) != h.Extra.Text(extraName):
		return secret.Errorf(secret.Invalid, "Key Vault keeps the spelling of the name")
	}
	return nil
}

// draftSheet lays the draft out as the version after h, which may be nil.
func (b *Backend) draftSheet(h *stored, wire string, d *secret.Draft) (*sheet, error) {
	stamp := b.stamp(h)
	v := &secret.Version{
		Ordinal: 1, UID: d.UID, Value: d.Value, ContentType: d.ContentType, Tags: d.Tags, Disabled: d.Disabled,
		NotBefore: d.NotBefore, Expires: d.Expires, Created: history.OrTime(d.Created, stamp), Stages: d.Stages, Extra: d.Extra,
	}
	v.Updated = history.OrTime(d.Updated, v.Created)
	created := v.Created
	if h != nil {
		v.Ordinal, created = h.highest+1, h.Created
		if h.Find(secret.ByUID(v.UID)) != nil {
			v.UID = secret.UID{}
		}
	}
	if v.UID.IsZero() {
		v.UID = secret.NewUID()
	}
	current, previous := roles(h, v.Ordinal, d)
	if len(d.Tags) == maxTags && current == v.Ordinal && bareEnough(d) {
		return &sheet{version: v, value: string(d.Value.Reveal()), bare: true}, nil
	}
	tag := identity(v)
	tag.setRoles(v.Ordinal, current, previous)
	tag.setTimes(created, stampOr(stamp, v, d))
	if now := b.now(); now.Sub(v.Created).Abs() > time.Minute {
		tag.Written.Time = now.Truncate(time.Second)
	}
	s, losses := newSheet(v, tag)
	losses = append(losses, s.addSecret(wire, attributes(h, d))...)
	if len(losses) > 0 {
		return nil, secret.Errorf(secret.Invalid, "%s: %s", losses[0].What, losses[0].Why)
	}
	if !s.tag.fits() {
		return nil, secret.Errorf(secret.Invalid, "the identity of the version does not fit in a tag")
	}
	return s, nil
}

// roles are who holds them once version o is written.
func roles(h *stored, o secret.Ordinal, d *secret.Draft) (current, previous secret.Ordinal) {
	switch {
	case h == nil:
		return o, 0
	case !d.KeepCurrent:
		return o, h.Current
	case d.TakePrevious:
		return h.Current, o
	}
	return h.Current, h.Previous
}

// attributes are those of the secret after the write. They move from tag to
// tag with the newest version, as the roles do.
func attributes(h *stored, d *secret.Draft) *secret.Attributes {
	var a secret.Attributes
	switch {
	case d.OfSecret != nil:
		a = *d.OfSecret
	case h != nil:
		a = secret.Attributes{Description: h.Description, Tags: h.Tags, Extra: h.Extra}
	}
	if h == nil && len(d.NewExtra) > 0 {
		if a.Extra = a.Extra.Clone(); a.Extra == nil {
			a.Extra = secret.Extra{}
		}
		maps.Copy(a.Extra, d.NewExtra)
	}
	a.Extra = history.PatchExtra(a.Extra, d.MergeExtra)
	return &a
}

// stampOr is when the secret was updated: now, even if the draft brings older
// times of its own.
func stampOr(stamp time.Time, v *secret.Version, d *secret.Draft) time.Time {
	if d.Created.IsZero() && d.Updated.IsZero() {
		return v.Updated
	}
	return history.Later(stamp, v.Updated)
}

// bareEnough reports whether the product's own facts say all of d.
func bareEnough(d *secret.Draft) bool {
	return d.Value.Form() == secret.Text && len(d.Stages) == 0 && len(d.Extra) == 0 && d.OfSecret == nil && len(d.MergeExtra) == 0 &&
		d.UID.IsZero() && d.Created.IsZero() && d.Updated.IsZero() && d.Expires.Nanosecond() == 0 && d.NotBefore.Nanosecond() == 0
}

// stamp is now in whole milliseconds, or the first one after every version so
// far: dialects promise their clients times that strictly increase.
func (b *Backend) stamp(h *stored) time.Time {
	now := b.now().UTC().Truncate(time.Millisecond)
	if h == nil {
		return now
	}
	for i := range h.Versions {
		if last := h.Versions[i].Created.Truncate(time.Millisecond); !now.After(last) {
			now = last.Add(time.Millisecond)
		}
	}
	return now
}
