package huaweicsms

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

var _ backends.Backend = (*Backend)(nil)

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
	var out *secret.Secret
	err := b.changing(ctx, name, func(wire string) error {
		h, err := b.load(ctx, "update", name, wire)
		if err != nil {
			return err
		}
		v := h.Find(sel)
		if v == nil {
			return &secret.Error{Kind: secret.NotFound, Op: "huaweicsms.update", Name: name, Detail: "no such version"}
		}
		u := &updating{h: h, p: &p, v: v.Clone(), number: h.numbers[h.index(v.Ordinal)], t: h.t, human: h.human}
		want, err := u.plan(b.now())
		if err != nil {
			return err
		}
		steps := want.steps(b.writer(name, wire), h.f)
		done, err := run(ctx, steps)
		if err != nil && done > 0 {
			err = partly("update", name, fmt.Sprintf("%d of %d changes are made; the same request completes them", done, len(steps)), err)
		}
		if err != nil {
			return err
		}
		b.listing.Enter(name, h.f.head)
		out = newStored(b.place, name, h.f).Only(v.Ordinal)
		return nil
	})
	return out, err
}

// updating is one update, decided before anything is written.
type updating struct {
	h      *stored
	p      *secret.Patch
	v      secret.Version // as it is to be
	number int64
	t      trailer
	human  string
	want   wanted
}

func (u *updating) plan(now time.Time) (*wanted, error) {
	if err := history.CheckRoles(&u.h.Secret, u.v.Ordinal, u.p); err != nil {
		return nil, err
	}
	history.PatchVersion(&u.v, u.p, now)
	u.want = wanted{tags: u.h.f.tags, expires: map[int64]int64{}, labels: map[string]int64{}}
	if !u.h.unfinished() {
		u.t = u.t.keep(u.h.f.versions)
	}
	if u.t.Days = 0; isHash(u.h.f.wire) {
		u.t.Name = u.h.Name
	}
	for _, part := range []func() error{u.version, u.labels, u.roles, u.ofSecret} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	if !u.t.Updated.IsZero() {
		u.t.Updated = compact(history.Later(u.t.Updated.Time, u.v.Updated))
	}
	if !fits(u.h.f.wire, u.human, &u.t, 0) {
		return nil, lossy(loss.Updated, noRoom)
	}
	u.want.description = join(u.h.f.wire, u.human, &u.t)
	return &u.want, nil
}

func lossy(what, why string) error {
	return &secret.Error{Kind: secret.Lossy, Op: "huaweicsms.update", Detail: what + ": " + why}
}

// version is what concerns the one version. That a whole secret is disabled in
// the product is not the version's own.
func (u *updating) version() error {
	if why := expiresProblem(u.v.Expires); why != "" {
		return lossy(loss.Expires, why)
	}
	e := u.t.entry(u.number)
	disabled := e.Disabled
	if e.fill(&u.v); u.p.Disabled == nil {
		e.Disabled = disabled
	}
	e.Updated = compact(u.v.Updated)
	have, _ := expiry(u.h.f.version(u.number).expires)
	at, _ := expiry(u.v.Expires)
	e.NoExpires = at == 0 && have != 0
	if e.NoExpires {
		at = maxExpires * 1000
	}
	if at != have && at != 0 {
		u.want.expires[u.number] = at
	}
	u.t = u.t.set(e)
	return nil
}

func (u *updating) labels() error {
	there := u.h.f.labels()
	for _, l := range u.p.DropStages {
		if slices.Contains(u.v.Stages, l) {
			delete(there, l)
			u.want.drop = append(u.want.drop, l)
		}
	}
	if why := labelsProblem(there, u.p.AddStages); why != "" {
		return lossy(loss.Stages, why)
	}
	for _, l := range u.p.AddStages {
		u.want.labels[l] = u.number
	}
	return nil
}

// roles moves them in the product, and says in the trailer what the product
// cannot show.
func (u *updating) roles() error {
	r := u.h.roles()
	switch {
	case u.p.MakeCurrent && u.h.Current != u.v.Ordinal:
		r.Current, r.Previous = u.number, r.Current
		if r.TheirCurrent != u.number {
			r.TheirCurrent, r.TheirPrevious = u.number, r.TheirCurrent
			u.want.labels[sysCurrent], u.want.labels[sysPrevious] = r.TheirCurrent, r.TheirPrevious
		}
	case u.p.MakePrevious:
		r.Previous = u.number
		if r.TheirCurrent != u.number { // else the product has it as the current one
			r.TheirPrevious = u.number
			u.want.labels[sysPrevious] = u.number
		}
	}
	u.t.Roles = r.needed()
	return nil
}

func (u *updating) ofSecret() error {
	if u.p.Description != nil {
		u.human = *u.p.Description
	}
	if u.p.SecretTags != nil {
		spelt, why := spellTags(*u.p.SecretTags)
		if why != "" {
			return lossy(loss.Tags, why)
		}
		u.want.tags = spelt
	}
	if len(u.p.Extra) == 0 {
		return nil
	}
	extra := history.PatchExtra(secret.Extra(u.t.Extra), u.p.Extra)
	if kind := u.h.f.kind; kind != kindCommon && extra.Text(extraType) != "" && extra.Text(extraType) != kind {
		return lossy(loss.Extra, "CSMS keeps the type of the secret")
	}
	u.t.Extra = sidecar.Members(extra)
	return nil
}
