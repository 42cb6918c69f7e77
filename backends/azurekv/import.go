package azurekv

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// markLen is enough to tell the imports of one name apart: their versions also
// have the UIDs of one document.
const markLen = 5

// importMark is what an import's versions carry: of the token, or of chance.
func importMark(token string) string { return kit.ImportMark(token, markLen) }

// Import implements backends.Backend: it looks, and writes one version after
// the other, the current one last. It stops at the first failure and says what
// stands; a second try with the token writes the rest.
func (b *Backend) Import(ctx context.Context, s *secret.Secret, token string) (*backends.Imported, error) {
	if _, err := history.HeadOf(s); err != nil {
		return nil, err
	}
	return changing(ctx, b, s.Name, func(wire string) (*backends.Imported, error) {
		im := &importing{b: b, name: s.Name, wire: wire, stands: map[secret.Ordinal]bool{}}
		mark := importMark(token)
		room := b.room.most()
		im.bodies, _ = plan(wire, s, mark, b.now(), room)
		if err := writable(im.bodies); err != nil {
			return nil, err
		}
		if token == "" {
			mark = "" // nobody else's
		}
		if err := im.look(ctx, mark); err != nil {
			return nil, err
		}
		if err := im.replan(room); err != nil {
			return nil, err
		}
		return im.write(ctx, spelling(wire, s.Extra))
	})
}

// replan refuses what was foretold before the vault told that it has room for
// fewer tags than room, if that makes a difference.
func (im *importing) replan(room int) error {
	now := im.b.room.most()
	if now >= room {
		return nil
	}
	for _, body := range im.bodies {
		if t := body.nativeTags(); len(t) >= now {
			return writeOp("import", im.name).Error(secret.Lossy, "tags: "+tagsProblem(t, now-1, now), nil)
		}
	}
	return nil
}

// writable refuses before anything is written what would fail midway.
func writable(bodies []*versionBody) error {
	if len(bodies) == 0 {
		return secret.Errorf(secret.Invalid, "Key Vault can hold none of the versions")
	}
	for _, body := range bodies {
		if !body.fits() {
			return secret.Errorf(secret.Invalid, "the identity of version %d does not fit in a tag", body.Ordinal)
		}
	}
	return nil
}

// importing is one import under way.
type importing struct {
	b      *Backend
	name   secret.Name
	wire   string
	bodies []*versionBody
	items  []item // what stands, of the product
	stands map[secret.Ordinal]bool
}

// look refuses a name that is taken, unless by an earlier try of this very
// import. An empty mark has no earlier try.
func (im *importing) look(ctx context.Context, mark string) error {
	items, gone, err := im.lookBoth(ctx)
	o := writeOp("import", im.name)
	switch {
	case err != nil:
		return err
	case len(items) == 0 && gone:
		return o.Error(secret.Trashed, "", nil)
	}
	for i := range items {
		t := items[i].tag
		if mark == "" || t == nil || t.importMark() != mark {
			return o.Error(secret.AlreadyExists, "", nil)
		}
		ours := slices.IndexFunc(im.bodies, func(b *versionBody) bool { return b.UID == secret.UID(t.UID) })
		if ours < 0 {
			return o.Error(secret.AlreadyExists, "", nil)
		}
		im.stands[im.bodies[ours].Ordinal] = true
	}
	if len(im.stands) == len(im.bodies) { // finished: a secret like any other
		return o.Error(secret.AlreadyExists, "", nil)
	}
	im.items = items
	return nil
}

// lookBoth looks among the live secrets and among the deleted at the same time.
// Where a vault refuses one of the two and throttles the other for that, the
// refusal is what there is to tell.
func (im *importing) lookBoth(ctx context.Context) (items []item, gone bool, err error) {
	var goneErr error
	var g sync.WaitGroup
	g.Go(func() { gone, goneErr = im.b.client.isDeleted(ctx, im.name, im.wire) })
	items, err = im.b.client.versions(ctx, im.name, im.wire, nothing)
	g.Wait()
	if err == nil || kit.Is(goneErr, secret.Upstream) {
		err = goneErr
	}
	return items, gone, err
}

// write writes what does not stand yet, under the name as it is to be spelled.
func (im *importing) write(ctx context.Context, spelled string) (*backends.Imported, error) {
	for _, body := range im.bodies {
		if im.stands[body.Ordinal] {
			continue
		}
		it, err := im.b.client.set(ctx, im.name, spelled, body.set())
		if err != nil {
			return im.stopped(err)
		}
		im.items = append(im.items, it)
		im.stands[body.Ordinal] = true
	}
	im.b.listing.Enter(im.name, im.items[len(im.items)-1])
	h := newStored(im.b.origin, im.name, im.items, "")
	return &backends.Imported{Secret: h.Clone(), Stands: im.ordinals()}, nil
}

func (im *importing) ordinals() []secret.Ordinal { return slices.Sorted(maps.Keys(im.stands)) }

// stopped is the error of an import that failed midway. As long as nothing
// stands it is just the error of the write.
func (im *importing) stopped(err error) (*backends.Imported, error) {
	unknown := kit.Is(err, secret.Unknown)
	if len(im.stands) == 0 && !unknown {
		return nil, err
	}
	detail := fmt.Sprintf("%d of %d versions are written", len(im.stands), len(im.bodies))
	if unknown {
		detail += ", and one more may be"
	}
	return &backends.Imported{Stands: im.ordinals()}, writeOp("import", im.name).Partly(detail, err)
}
