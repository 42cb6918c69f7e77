package azurekv

import (
	"context"
	"strings"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// pageSize is that of a page for which nobody said a limit.
const pageSize = 250

// listed is one name of the product's list.
type listed = kit.Listed[item]

// List implements backends.Backend.
//
// The product pages by a token and in its own order, in which escaped names
// stand elsewhere than in the model's. So the first page costs the product's
// whole list, 25 names a call, which the cache keeps for the others; and each
// secret of a page whose current version is native costs one call more, for
// only its other versions tell its ordinal, unless names alone are asked for.
func (b *Backend) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	live, err := b.listLive(ctx, q)
	if err != nil || !q.WithTrash {
		return live, err
	}
	deleted, err := b.ListTrash(ctx, q)
	if err != nil {
		return secret.Page{}, err
	}
	return kit.JoinPages(q.Limit, live, deleted), nil
}

func (b *Backend) listLive(ctx context.Context, q secret.Query) (secret.Page, error) {
	return b.page(ctx, q, &b.listing, func() ([]item, error) { return b.client.secrets(ctx, false) }, b.resolve)
}

// page cuts one out of all names and resolves it.
func (b *Backend) page(ctx context.Context, q secret.Query, of *kit.ListingCache[item], read func() ([]item, error),
	resolve func(context.Context, secret.Query, *listed) (kit.Resolved, error),
) (secret.Page, error) {
	all, leftOut, err := of.All(b.now(), q.After == "", func() ([]listed, []secret.LeftOut, error) {
		items, err := read()
		names, leftOut := named(items)
		return names, leftOut, err
	})
	if err != nil {
		return secret.Page{}, err
	}
	cut, next := kit.CutPage(q, all, pageSize)
	return kit.ResolvePage(ctx, readers, q, cut, next, leftOut, func(ctx context.Context, l *listed) (kit.Resolved, error) { return resolve(ctx, q, l) })
}

// named makes of the product's list, two pages of which may repeat a name, one
// of the model's names. What has none is left out, unless it is a state record.
func named(items []item) (names []listed, leftOut []secret.LeftOut) {
	names = make([]listed, 0, len(items))
	for i := range items {
		wire := items[i].name
		n, ok := decodeName(wire, "")
		switch {
		case ok:
			names = append(names, listed{Name: n, Item: items[i]})
		case !strings.HasPrefix(strings.ToLower(wire), statePrefix):
			leftOut = append(leftOut, secret.LeftOut{Why: secret.LeftOutName, Native: wire})
		}
	}
	return names, leftOut
}

// resolve finds what the list does not say. Nothing is left of what went away
// meanwhile.
func (b *Backend) resolve(ctx context.Context, q secret.Query, l *listed) (kit.Resolved, error) {
	switch {
	case l.Item.suffices():
		return kit.Resolved{Secret: newStored(b.origin, l.Name, []item{l.Item}, "").Clone()}, nil
	case q.NamesAlone:
		return kit.Resolved{Secret: &secret.Secret{Name: l.Name}}, nil
	}
	h, err := b.load(ctx, l.Name, strings.ToLower(l.Item.name), nothing)
	switch {
	case kit.Is(err, secret.NotFound):
		return kit.Resolved{}, nil
	case kit.OfOne(ctx, err):
		return kit.Resolved{Secret: b.listedAlone(ctx, l, err)}, nil
	case err != nil:
		return kit.Resolved{}, err
	case h.unfinished():
		return kit.Resolved{LeftOut: &secret.LeftOut{Why: secret.LeftOutUnfinished, Name: l.Name, Detail: kit.HowToEnd}}, nil
	}
	return kit.Resolved{Secret: h.Only(h.Current)}, nil
}

// listedAlone is a secret as far as the list tells of it, for one that cannot be
// read further: it is not to hide the others. Whoever asks for it is told why.
func (b *Backend) listedAlone(ctx context.Context, l *listed, err error) *secret.Secret {
	if b.log != nil {
		b.log.WarnContext(ctx, "a secret is listed, and its versions cannot be read", "store", b.origin.store, "name", l.Name, "error", err)
	}
	return newStored(b.origin, l.Name, []item{l.Item}, "").Clone()
}
