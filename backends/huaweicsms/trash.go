package huaweicsms

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

var _ backends.Backend = (*Backend)(nil)

// The days that the product keeps what is to be deleted.
const (
	minDays = 7
	maxDays = 30
)

const day = 24 * time.Hour

// daysUntil is how many days the product is asked for: at least as long as
// wanted, if that is within its bounds.
func daysUntil(now, purge time.Time) int {
	if purge.IsZero() {
		return maxDays
	}
	left := purge.Sub(now)
	days := int(left / day)
	if left%day > time.Hour { // what the call itself took is no day
		days++
	}
	return min(max(days, minDays), maxDays)
}

// Delete implements backends.Backend. The product keeps the secret for 7 to 30
// days; Deleted.Purge is what it answers. The number goes into the description
// first, for the product does not tell when a secret was deleted; where that
// fails, nothing but this time is missing.
func (b *Backend) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	var out *secret.Secret
	err := b.changing(ctx, name, func(wire string) error {
		h, err := b.load(ctx, "delete", name, wire)
		if err != nil {
			return err
		}
		w, days := b.writer(name, wire), daysUntil(b.now(), purge)
		t := h.t
		t.Days = days
		if d := join(wire, h.human, &t); d != h.f.description && len(d) <= maxDescription && w.describe(ctx, d) == nil {
			h.f.description = d
		}
		made, err := w.schedule(ctx, days)
		if is(err, secret.Trashed) { // it came twice, or another's came first
			if made, err = b.client.show(ctx, name, wire); err != nil || !made.pending() {
				return &secret.Error{Kind: secret.Unknown, Op: "huaweicsms.delete", Name: name, Err: secret.Cause(orError(err, errMalformed))}
			}
		}
		if err != nil {
			return err
		}
		h.f.state, h.f.scheduled, h.f.updated = made.state, made.scheduled, made.updated
		b.listing.Enter(name, h.f.head)
		out = newStored(b.place, name, h.f).Clone()
		return nil
	})
	return out, err
}

// fromTrash finds what is to be deleted.
func (b *Backend) fromTrash(ctx context.Context, what string, name secret.Name, wire string) (*stored, error) {
	h, err := b.look(ctx, name, wire)
	if err == nil && (h == nil || !h.f.pending()) {
		err = &secret.Error{Kind: secret.NotFound, Op: "huaweicsms." + what, Name: name}
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// DescribeTrash implements backends.Backend.
func (b *Backend) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	wire, err := encodeName(name)
	if err != nil {
		return nil, err
	}
	h, err := b.fromTrash(ctx, "describe-trash", name, wire)
	if err != nil {
		return nil, err
	}
	return h.Clone(), nil
}

// Recover implements backends.Backend.
func (b *Backend) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	var out *secret.Secret
	err := b.changing(ctx, name, func(wire string) error {
		h, err := b.fromTrash(ctx, "recover", name, wire)
		if err != nil {
			return err
		}
		made, err := b.writer(name, wire).cancel(ctx)
		if err != nil {
			return err
		}
		h.f.state, h.f.scheduled, h.f.updated = made.state, made.scheduled, made.updated
		b.listing.Enter(name, h.f.head)
		out = newStored(b.place, name, h.f).Clone()
		return nil
	})
	return out, err
}

// Purge implements backends.Backend. The product has one deletion for what is
// live and what is not, so a secret that native tools, or another gateway,
// recover in the same moment goes as well.
//
// No document says that the product deletes what it was told to delete later.
// Where it refuses, Denied says so, and the product's date stands.
func (b *Backend) Purge(ctx context.Context, name secret.Name) error {
	return b.changing(ctx, name, func(wire string) error {
		h, err := b.client.show(ctx, name, wire)
		switch {
		case err != nil:
			return err
		case !h.pending():
			return &secret.Error{Kind: secret.NotFound, Op: "huaweicsms.purge", Name: name}
		}
		err = b.writer(name, wire).destroy(ctx)
		if is(err, secret.Trashed) {
			return &secret.Error{
				Kind: secret.Denied, Op: "huaweicsms.purge", Name: name, Err: secret.Cause(err),
				Detail: "CSMS removes the secret at the date that it has for it, and not before",
			}
		}
		if err != nil {
			return err
		}
		b.listing.Strike(name)
		return nil
	})
}
