package azurekv

import (
	"context"
	"errors"
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
// only its other versions tell its ordinal.
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
	resolve func(context.Context, *listed) (*secret.Secret, error),
) (secret.Page, error) {
	all, err := of.All(b.now(), q.After == "", func() ([]listed, error) {
		items, err := read()
		return named(items), err
	})
	if err != nil {
		return secret.Page{}, err
	}
	cut, next := kit.CutPage(q, all, pageSize)
	secrets, err := kit.Gather(ctx, readers, cut, resolve)
	return secret.Page{Secrets: secrets, Next: next}, err
}

// named makes of the product's list, two pages of which may repeat a name, one
// of the model's names. A name that the product cannot have is no secret.
func named(items []item) []listed {
	out := make([]listed, 0, len(items))
	for i := range items {
		if n, ok := decodeName(items[i].name, ""); ok {
			out = append(out, listed{Name: n, Item: items[i]})
		}
	}
	return out
}

// resolve finds what the list does not say, or nil for what went away
// meanwhile and what is half imported.
func (b *Backend) resolve(ctx context.Context, l *listed) (*secret.Secret, error) {
	if l.Item.suffices() {
		return newStored(b.origin, l.Name, []item{l.Item}, "").Clone(), nil
	}
	h, err := b.load(ctx, l.Name, strings.ToLower(l.Item.name), nothing)
	switch {
	case kit.Is(err, secret.NotFound), err == nil && h.unfinished():
		return nil, nil
	case err != nil && ofOne(ctx, err):
		return b.listedAlone(ctx, l, err), nil
	case err != nil:
		return nil, err
	}
	return h.Only(h.Current), nil
}

// ofOne reports whether err is about one secret, and no reason to expect the
// same of its neighbours.
func ofOne(ctx context.Context, err error) bool {
	return ctx.Err() == nil && (errors.Is(err, kit.ErrMalformed) || !kit.Is(err, secret.Unavailable, secret.Throttled))
}

// listedAlone is a secret as far as the list tells of it, for one that cannot be
// read further: it is not to hide the others. Whoever asks for it is told why.
func (b *Backend) listedAlone(ctx context.Context, l *listed, err error) *secret.Secret {
	if b.log != nil {
		b.log.WarnContext(ctx, "a secret is listed, and its versions cannot be read", "store", b.origin.store, "name", l.Name, "error", err)
	}
	return newStored(b.origin, l.Name, []item{l.Item}, "").Clone()
}
