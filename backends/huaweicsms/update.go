package huaweicsms

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Update implements backends.Backend. The description comes first, for it says
// whether a version is disabled, then what the product has calls for. Partial
// says that some writes were made and others not.
//
// The product cannot take an expiry away: the version gets the last one that
// there is, and the trailer says that it has none. Nor can it take away the
// previous role.
func (b *Backend) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	if err := history.CheckPatch(&p); err != nil {
		return nil, err
	}
	return locked(ctx, b, name, func(r remote) (*secret.Secret, error) {
		h, err := b.must(ctx, r, "update", false, nil)
		if err != nil {
			return nil, err
		}
		i, err := h.pick("update", sel)
		if err != nil {
			return nil, err
		}
		want, err := h.planUpdate(i, &p, b.now())
		if err != nil {
			return nil, err
		}
		steps := want.steps(h.writer)
		if done, err := run(ctx, steps); err != nil && done > 0 {
			return nil, r.op("update").Partly(fmt.Sprintf("%d of %d changes are made; the same request completes them", done, len(steps)), err)
		} else if err != nil {
			return nil, err
		}
		b.listing.Enter(name, h.facts.secretFact)
		return newStored(b.scope, name, h.facts).Only(h.Versions[i].Ordinal), nil
	})
}

// planUpdate makes h the state with the patch.
func (h *stored) planUpdate(i int, p *secret.Patch, now time.Time) (*wanted, error) {
	v, number := &h.Versions[i], h.numbers[i]
	had := v.Stages
	v.Disabled = h.trailer.entry(number).Disabled // that the product has disabled the whole secret is not the version's own
	head := history.Of(&h.Secret, 0)
	if err := head.Patch(v, p, now); err != nil {
		return nil, err
	}
	h.become(head, h.Versions)
	want := &wanted{tags: h.facts.tags, expires: map[int64]int64{}, labels: map[string]int64{}}
	if err := h.planNative(want, i, had, p); err != nil {
		return nil, err
	}
	shown := h.facts.roles()
	if n := h.number(h.Current); n != 0 && n != shown[0] {
		shown = roles{n, shown[0]}
	}
	if n := h.number(h.Previous); n != 0 && n != shown[0] {
		shown[1] = n
	}
	want.labels[sysCurrent], want.labels[sysPrevious] = shown[0], shown[1]
	t := h.trailer
	if t.Days = 0; !h.unfinished() {
		t = t.pruned(h.facts, number, shown)
	}
	h.touch(&t)
	t = h.layOut(t, shown, h.Versions[i:i+1])
	if !h.fits(&t, 0) {
		return nil, refuse(secret.Lossy, problem{loss.Updated, noRoom})
	}
	want.description = h.join(&t)
	return want, nil
}

// planNative is what the product itself is to hold of the patch, but for roles.
func (h *stored) planNative(want *wanted, i int, had []string, p *secret.Patch) error {
	v, number := &h.Versions[i], h.numbers[i]
	if want.expires[number] = expiry(v.Expires); v.Expires.IsZero() && !h.facts.version(number).expires.IsZero() {
		want.expires[number] = maxExpires * 1000
	}
	there := h.facts.labels()
	for _, l := range p.DropStages {
		if slices.Contains(had, l) {
			delete(there, l)
			want.drop = append(want.drop, l)
		}
	}
	for _, l := range p.AddStages {
		want.labels[l] = number
	}
	var tags string
	if p.SecretTags != nil {
		want.tags, tags = spellTags(h.Tags)
	}
	return refuse(secret.Lossy, problem{loss.Expires, expiresProblem(v.Expires)}, problem{loss.Stages, labelsProblem(there, p.AddStages)},
		problem{loss.Tags, tags}, problem{loss.Extra, h.typeProblem()})
}
