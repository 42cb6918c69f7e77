package azurekv

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

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
// whole list, 25 names a call, which the book keeps for the others; and each
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
	all, err := b.listing.All(b.now(), q.After == "", named(func() ([]item, error) { return b.client.secrets(ctx, false) }))
	if err != nil {
		return secret.Page{}, err
	}
	return page(q, all, func(cut []listed) ([]*secret.Secret, error) { return b.resolve(ctx, cut) })
}

// page cuts one out of all names and resolves it.
func page(q secret.Query, all []listed, resolve func([]listed) ([]*secret.Secret, error)) (secret.Page, error) {
	cut, next := kit.CutPage(q, all, pageSize)
	secrets, err := resolve(cut)
	if err != nil {
		return secret.Page{}, err
	}
	return secret.Page{Secrets: secrets, Next: next}, nil
}

// named makes of the product's list, two pages of which may repeat a name, one
// of the model's names. A name that the product cannot have is no secret.
func named(read func() ([]item, error)) func() ([]listed, error) {
	return func() ([]listed, error) {
		items, err := read()
		if err != nil {
			return nil, err
		}
		out := make([]listed, 0, len(items))
		for i := range items {
			if n, ok := decodeName(items[i].name, ""); ok {
				out = append(out, listed{Name: n, Item: items[i]})
			}
		}
		return out, nil
	}
}

// resolve finds what the list does not say, and leaves out what went away
// meanwhile and what is half imported.
func (b *Backend) resolve(ctx context.Context, cut []listed) ([]*secret.Secret, error) {
	out := make([]*secret.Secret, len(cut))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range cut {
		l := &cut[i]
		if l.Item.whole() {
			out[i] = newStored(b.place, l.Name, []item{l.Item}, "").Clone()
			continue
		}
		g.Go(func() error {
			h, err := b.load(ctx, l.Name, strings.ToLower(l.Item.name), nothing)
			switch {
			case is(err, secret.NotFound):
				return nil
			case err != nil:
				return err
			case !h.unfinished():
				out[i] = h.Only(h.Current)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(s *secret.Secret) bool { return s == nil }), nil
}

// unfinished reports whether all there is are parts of one import that never
// wrote its last version.
func (h *stored) unfinished() bool {
	return !slices.ContainsFunc(h.entries, func(e entry) bool { return !e.imported() || e.tag.Last })
}
