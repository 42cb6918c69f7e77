package huaweicsms

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

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
	return locked(ctx, b, name, func(r remote) (*secret.Secret, error) {
		h, err := b.must(ctx, r, "delete", false, nil)
		if err != nil {
			return nil, err
		}
		t := h.trailer
		t.Days = daysUntil(b.now(), purge)
		if d := h.join(&t); d != h.facts.description && len(d) <= maxDescription {
			_ = h.describe(ctx, d)
		}
		now, err := r.schedule(ctx, t.Days)
		if kit.Is(err, secret.Trashed) { // it came twice, or another's came first
			if now, err = r.show(ctx); err != nil || !now.pending() {
				return nil, r.op("delete").Error(secret.Unknown, "", secret.Cause(orMalformed(err)))
			}
		}
		return b.moved(h, &now, err)
	})
}

// Recover implements backends.Backend.
func (b *Backend) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return locked(ctx, b, name, func(r remote) (*secret.Secret, error) {
		h, err := b.must(ctx, r, "recover", true, nil)
		if err != nil {
			return nil, err
		}
		now, err := r.cancel(ctx)
		return b.moved(h, &now, err)
	})
}

// moved is h once it is in the trash, or out of it, as now says.
func (b *Backend) moved(h *stored, now *secretFact, err error) (*secret.Secret, error) {
	if err != nil {
		return nil, err
	}
	f := h.facts
	f.state, f.scheduled, f.updated = now.state, now.scheduled, now.updated
	b.listing.Enter(h.Name, f.secretFact)
	return newStored(b.scope, h.Name, f).Clone(), nil
}

// Purge implements backends.Backend. The product has one deletion for what is
// live and what is not, so a secret that native tools, or another gateway,
// recover in the same moment goes as well.
//
// No document says that the product deletes what it was told to delete later.
// Where it refuses, Denied says so, and the product's date stands.
func (b *Backend) Purge(ctx context.Context, name secret.Name) error {
	_, err := locked(ctx, b, name, func(r remote) (_ struct{}, err error) {
		f, err := r.show(ctx)
		if err == nil && !f.pending() {
			err = r.op("purge").Error(secret.NotFound, "", nil)
		}
		if err != nil {
			return struct{}{}, err
		}
		if err = r.destroy(ctx); kit.Is(err, secret.Trashed) {
			err = r.op("purge").Error(secret.Denied, "CSMS removes the secret at the date that it has for it, and not before", secret.Cause(err))
		}
		if err == nil {
			b.listing.Strike(name)
		}
		return struct{}{}, err
	})
	return err
}
