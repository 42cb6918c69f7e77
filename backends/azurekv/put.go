package azurekv

import (
	"context"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// Put implements backends.Backend. It reads what is there, and writes.
//
// A draft of 15 tags leaves no place for ours. It is written without, if the
// product's own facts say everything about it, and has then the identity that
// these facts give.
func (b *Backend) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if err := checkDraft(&d, b.room.most()); err != nil {
		return nil, err
	}
	return changing(ctx, b, name, func(wire string) (*secret.Secret, error) {
		h, err := b.toChange(ctx, name, wire)
		if err != nil {
			return nil, err
		}
		if err := allowed(h, name, &d); err != nil {
			return nil, err
		}
		body, next, err := b.draftBody(h, wire, &d)
		if err != nil {
			return nil, err
		}
		path := wire
		if h.isEmpty() {
			path = spelling(wire, next.Extra)
		}
		it, err := b.client.set(ctx, name, path, body.set())
		if err != nil {
			return nil, err
		}
		b.listing.Enter(name, it)
		return after(b.origin, h, it, d.Value)
	})
}

// after is h with one more version, of which it returns that one.
func after(o origin, h *stored, it item, v secret.Value) (*secret.Secret, error) {
	h = newStored(o, h.Name, append(h.items, it), it.id)
	i := slices.IndexFunc(h.entries, func(e entry) bool { return e.id == it.id })
	if i < 0 {
		return nil, writeOp("set", h.Name).Error(secret.Unknown, "", kit.ErrMalformed)
	}
	h.Versions[i].Value, h.Versions[i].Missing = v, ""
	return h.Only(h.Versions[i].Ordinal), nil
}

// checkDraft refuses what the product cannot hold, whatever is there.
func checkDraft(d *secret.Draft, room int) error {
	if err := history.CheckDraft(d); err != nil {
		return err
	}
	if d.Missing != "" {
		return secret.Errorf(secret.Unsupported, "Key Vault holds no version without a value")
	}
	if why := tooLarge(d.Value); why != "" {
		return secret.Errorf(secret.TooLarge, "the value %s", why)
	}
	return refuse(secret.Invalid, overLimits(&secret.Version{ContentType: d.ContentType, Tags: d.Tags}, room, room))
}

func allowed(h *stored, name secret.Name, d *secret.Draft) error {
	switch {
	case h.isEmpty():
		return nil
	case d.OnlyIfAbsent:
		return writeOp("put", name).Error(secret.AlreadyExists, "", nil)
	case history.PatchExtra(h.Extra, d.MergeExtra).Text(extraName) != h.Extra.Text(extraName):
		return secret.Errorf(secret.Invalid, "Key Vault keeps the spelling of the name")
	}
	return nil
}

// draftBody lays the draft out as the version after those of h, and returns the
// secret as it is then.
func (b *Backend) draftBody(h *stored, wire string, d *secret.Draft) (*versionBody, *secret.Secret, error) {
	now, next := b.now(), h.state()
	v := next.Append(d, now)
	room := b.room.most()
	if len(d.Tags) == room && !hasMoved(d.Tags) && next.Secret.Current == v.Ordinal && isNative(d) {
		return &versionBody{Version: v}, &next.Secret, nil
	}
	frame := tagSidecar{Version: sidecar.Version{Form: formOf[d.Value.Form()]}}
	if now.Sub(v.Created).Abs() > time.Minute {
		frame.Written.Time = now.Truncate(time.Second)
	}
	body, losses := layOut(wire, &v, &next.Secret, frame, room)
	if err := refuse(secret.Invalid, losses); err != nil {
		return nil, nil, err
	}
	if !body.fits() {
		return nil, nil, secret.Errorf(secret.Invalid, "the identity of the version does not fit in a tag")
	}
	return body, &next.Secret, nil
}

// isNative reports whether the product's own facts say all of d.
func isNative(d *secret.Draft) bool {
	return d.Value.Form() == secret.Text && len(d.Stages) == 0 && len(d.Extra) == 0 && d.OfSecret == nil && len(d.MergeExtra) == 0 &&
		d.UID.IsZero() && d.Created.IsZero() && d.Updated.IsZero() && !secret.HasFraction(d.Expires) && !secret.HasFraction(d.NotBefore)
}
