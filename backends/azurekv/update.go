package azurekv

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

var _ backends.Backend = (*Backend)(nil)

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
// The product cannot take away a content type, a start or an end once set: see
// hidesNotBefore. Its tags are written as a
// whole: of two gateways that update one version in the same moment the later
// takes away what the other put into tags.
func (b *Backend) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	if err := history.CheckPatch(&p); err != nil {
		return nil, err
	}
	var out *secret.Secret
	err := b.changing(ctx, name, func(wire string) error {
		h, items, err := b.before(ctx, name, wire)
		if err != nil {
			return err
		}
		var v *secret.Version
		if h != nil {
			v = h.Find(sel)
		}
		if v == nil {
			return &secret.Error{Kind: secret.NotFound, Op: "azurekv.update", Name: name}
		}
		u := &updating{h: h, wire: wire, now: b.now().UTC(), at: v.Ordinal, p: &p}
		edits, err := u.plan()
		if err != nil {
			return err
		}
		if err := b.apply(ctx, name, wire, edits, items); err != nil {
			return err
		}
		out = newStored(b.place, name, items, h.newest).Only(v.Ordinal)
		return nil
	})
	return out, err
}

// apply makes the writes in turn and puts what they made into items.
func (b *Backend) apply(ctx context.Context, name secret.Name, wire string, edits []*edit, items []item) error {
	for n, e := range edits {
		it, err := b.client.update(ctx, name, wire, e.id, e.body)
		switch {
		case n == 0 && err != nil:
			return err
		case err != nil:
			return writeOp("update", name).Partly(fmt.Sprintf("%d of %d versions are written", n, len(edits)), err)
		}
		items[slices.IndexFunc(items, func(i item) bool { return i.id == e.id })] = it
		if e.newest {
			b.listing.Enter(name, it)
		}
	}
	return nil
}

// updating is one update under way.
type updating struct {
	h    *stored
	wire string
	now  time.Time
	at   secret.Ordinal // of the version
	p    *secret.Patch
}

// plan decides all before anything is written: the edits in an order in which
// no label gets lost if not all of them are made.
func (u *updating) plan() ([]*edit, error) {
	head, err := u.head()
	if err != nil {
		return nil, err
	}
	var edits []*edit
	for i := range u.h.entries {
		e := &edit{entry: &u.h.entries[i], v: u.h.Versions[i].Clone()}
		e.target, e.newest = e.ordinal == u.at, e.id == u.h.newest
		moved := u.moveStages(e)
		if e.target {
			history.PatchVersion(&e.v, u.p, u.now)
		}
		if e.newest && (u.ofSecret() || e.tag != nil) {
			e.head = head
			if u.ofSecret() || e.target {
				head.Updated = history.Later(head.Updated, u.updated())
			}
		}
		if !e.target && !moved && (!e.newest || !u.ofSecret()) {
			continue
		}
		if err := u.write(e); err != nil {
			return nil, err
		}
		edits = append(edits, e)
	}
	slices.SortStableFunc(edits, func(a, b *edit) int { return cmp.Compare(u.turn(a), u.turn(b)) })
	return edits, nil
}

// turn: who gets a label comes before who has it; who loses one goes after
// those whose older claim to it would come up again.
func (u *updating) turn(e *edit) int {
	switch {
	case !e.target:
		return 1
	case len(u.p.AddStages) > 0 || len(u.p.DropStages) == 0:
		return 0
	}
	return 2
}

// updated is when the update is, to the version and its secret.
func (u *updating) updated() time.Time {
	v := u.h.Find(secret.ByOrdinal(u.at)).Clone()
	history.PatchVersion(&v, u.p, u.now)
	return v.Updated
}

// ofSecret reports whether the update is of more than the version.
func (u *updating) ofSecret() bool {
	p := u.p
	return p.Description != nil || p.SecretTags != nil || len(p.Extra) > 0 || p.MakePrevious || u.promotes()
}

func (u *updating) promotes() bool { return u.p.MakeCurrent && u.at != u.h.Current }

// head is the secret as it is to be, without its versions.
func (u *updating) head() (*secret.Secret, error) {
	if err := history.CheckRoles(&u.h.Secret, u.at, u.p); err != nil {
		return nil, err
	}
	s := u.h.Secret
	s.Versions = nil
	if u.promotes() {
		s.Current, s.Previous = u.at, s.Current
	}
	if u.p.MakePrevious {
		s.Previous = u.at
	}
	if u.p.Description != nil {
		s.Description = *u.p.Description
	}
	if u.p.SecretTags != nil {
		s.Tags = *u.p.SecretTags
	}
	s.Extra = history.PatchExtra(s.Extra, u.p.Extra)
	if s.Extra.Text(extraName) != u.h.Extra.Text(extraName) {
		return nil, lossy(loss.Extra, "Key Vault keeps the spelling of the name")
	}
	return &s, nil
}

func lossy(what, why string) error {
	return &secret.Error{Kind: secret.Lossy, Op: "azurekv.update", Detail: what + ": " + why}
}

// moveStages gives the version the labels that it is to have, and reports
// whether its tag must change for it: one below the holder may claim a label
// too, as the holder's Put left it.
func (u *updating) moveStages(e *edit) bool {
	gone := slices.Clone(u.p.AddStages)
	for _, label := range u.p.DropStages {
		if slices.Contains(u.h.Find(secret.ByOrdinal(u.at)).Stages, label) {
			gone = append(gone, label)
		}
	}
	leaves := func(label string) bool { return slices.Contains(gone, label) }
	e.v.Stages = slices.DeleteFunc(e.v.Stages, leaves)
	if e.target {
		e.v.Stages = append(e.v.Stages, u.p.AddStages...)
		slices.Sort(e.v.Stages)
		e.v.Stages = slices.Compact(e.v.Stages)
	}
	return e.tag != nil && slices.ContainsFunc(e.tag.Stages, leaves)
}
