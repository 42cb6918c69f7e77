package azurekv

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// Update implements backends.Backend. What the product has attributes for goes
// there; the rest goes into the version's tag, and that of the secret as a
// whole, the roles included, into the tag of the newest version. So an update
// may take several writes; Partial says that some were made and others not.
//
// Danger: native tools do not see who was made current. To them the newest
// version is, whatever its tag says.
//
// The secret's Updated moves only with its newest version, for that is all
// that a Get of current reads where that one is current.
//
// The product's tags are written as a whole: of two gateways that update one
// version in the same moment the later takes away what the other put there.
func (b *Backend) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	if err := history.CheckPatch(&p); err != nil {
		return nil, err
	}
	return changing(ctx, b, name, func(wire string) (*secret.Secret, error) {
		h, err := b.toChange(ctx, name, wire)
		if err != nil {
			return nil, err
		}
		u := &update{h: h, next: h.state(), wire: wire, now: b.now().UTC(), p: &p, room: b.room.most()}
		if u.ordinal, err = u.next.Patch(sel, &p, u.now); err != nil {
			return nil, err
		}
		edits, err := u.plan()
		if err != nil {
			return nil, err
		}
		if err := b.apply(ctx, name, wire, edits, h.items); err != nil {
			return nil, err
		}
		return newStored(b.origin, name, h.items, h.newest).Only(u.ordinal), nil
	})
}

// apply makes the writes in turn and puts what they made into items.
func (b *Backend) apply(ctx context.Context, name secret.Name, wire string, edits []edit, items []item) error {
	for n, e := range edits {
		it, err := b.client.update(ctx, name, wire, e.id, e.body)
		switch {
		case err == nil:
		case n == 0:
			return err
		default:
			return writeOp("update", name).Partly(fmt.Sprintf("%d of %d versions are written", n, len(edits)), err)
		}
		items[slices.IndexFunc(items, func(i item) bool { return i.id == e.id })] = it
		if e.newest {
			b.listing.Enter(name, it)
		}
	}
	return nil
}

// edit is one write of an update.
type edit struct {
	id     string // of the version
	newest bool   // it is the current one, to native tools
	turn   int    // among the writes
	body   azsecrets.UpdateSecretPropertiesParameters
}

// update is one under way.
type update struct {
	h       *stored
	next    *history.State // what h is to be
	wire    string
	now     time.Time
	ordinal secret.Ordinal // of the version that the patch is of
	p       *secret.Patch
	room    int // for tags
}

// plan decides all before anything is written: the edits in an order in which
// no label gets lost if not all of them are made.
func (u *update) plan() ([]edit, error) {
	if u.next.Secret.Extra.Text(extraName) != u.h.Extra.Text(extraName) {
		return nil, secret.Errorf(secret.Lossy, "%s: Key Vault keeps the spelling of the name", loss.Extra)
	}
	moved := slices.Clone(u.p.AddStages)
	for _, label := range u.p.DropStages {
		if slices.Contains(u.h.Find(secret.ByOrdinal(u.ordinal)).Stages, label) {
			moved = append(moved, label)
		}
	}
	var edits []edit
	for i := range u.h.entries {
		e, v, p := &u.h.entries[i], &u.next.Versions[i], &secret.Patch{}
		target, newest := v.Ordinal == u.ordinal, e.id == u.h.newest
		if !target && !e.claims(moved) && (!newest || !u.changesSecret()) {
			continue
		}
		if target {
			p = u.p
		}
		v.Stages = u.next.StagesOf(v.Ordinal)
		var of *secret.Secret
		if newest && (u.changesSecret() || e.tag != nil) {
			of = &u.next.Secret
		}
		body, err := u.edited(e, v, of)
		if err != nil {
			return nil, err
		}
		edits = append(edits, edit{id: e.id, newest: newest, turn: u.turn(target), body: body.patch(&e.item, p)})
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return cmp.Compare(a.turn, b.turn) })
	return edits, nil
}

// turn: who gets a label comes before who has it; who loses one goes after
// those whose older claim to it would come up again.
func (u *update) turn(target bool) int {
	switch {
	case !target:
		return 1
	case len(u.p.AddStages) > 0 || len(u.p.DropStages) == 0:
		return 0
	}
	return 2
}

// claims reports whether e's tag names one of the labels. A version below the
// holder may claim a label too, as the holder's Put left it.
func (e *entry) claims(labels []string) bool {
	return e.tag != nil && slices.ContainsFunc(e.tag.Stages, func(l string) bool { return slices.Contains(labels, l) })
}

// changesSecret reports whether the update is of more than the version.
func (u *update) changesSecret() bool {
	p := u.p
	return p.Description != nil || p.SecretTags != nil || len(p.Extra) > 0 || p.MakePrevious || u.promotes()
}

func (u *update) promotes() bool { return u.p.MakeCurrent && u.ordinal != u.h.Current }

// edited lays out e as v. A native version goes without a tag of ours where
// the product's own facts say all.
func (u *update) edited(e *entry, v *secret.Version, of *secret.Secret) (*versionBody, error) {
	endless := sidecar.EndlessOf(v.NotBefore.IsZero() && !e.notBefore.IsZero(), v.Expires.IsZero() && !e.expires.IsZero())
	if e.tag == nil && of == nil && (u.p.Tags == nil || v.Tags != nil && !hasMoved(v.Tags)) && endless == "" && len(v.Stages) == 0 && !secret.HasFraction(v.NotBefore) && !secret.HasFraction(v.Expires) {
		bare := *v
		if u.p.Tags == nil {
			bare.Tags = nil // they stand, whatever they are
		}
		return &versionBody{Version: bare}, refuse(secret.Lossy, overLimits(&bare, u.room, u.room))
	}
	frame := u.frame(e, v)
	frame.Touched.Time, frame.Endless = u.now.Truncate(time.Second), endless
	body, losses := layOut(u.wire, v, of, frame, u.room)
	if of == nil {
		body.shared = e.tags // what stands at an older version stays
	}
	switch {
	case len(losses) > 0 && of != nil && u.promotes():
		losses[0].What = loss.Current // what stood is in the way
	case len(losses) == 0 && !body.fits():
		losses = []secret.Loss{{What: loss.Updated, Why: noRoom}}
	}
	return body, refuse(secret.Lossy, losses)
}

// frame is e's tag for who writes e as v. Tags of the secret that make room for
// the version's own go into the tag, as long as it speaks for the secret.
func (u *update) frame(e *entry, v *secret.Version) tagSidecar {
	if e.tag == nil {
		return tagSidecar{}
	}
	frame := *e.tag
	if frame.Shared && v.Tags != nil {
		frame.Shared = false
		if e.id == u.h.teller {
			of := *frame.Secret
			of.Tags = maps.Clone(e.ofSecret())
			frame.Secret = &of
		}
	}
	return frame
}
