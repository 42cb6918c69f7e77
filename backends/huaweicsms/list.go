package huaweicsms

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// listPage is that of a page for which nobody said a limit.
const listPage = 100

type listed = kit.Listed[head]

// List implements backends.Backend.
//
// The product pages in its own order, in which escaped names stand elsewhere
// than in the model's. So the first page costs the product's whole list, which
// the book keeps for the others; and each secret of a page costs the calls of a
// Describe, for the list tells nothing of versions and tags.
func (b *Backend) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	return b.list(ctx, q, func(h head) bool { return q.WithTrash || !h.pending() })
}

// ListTrash implements backends.Backend. It costs what List costs.
func (b *Backend) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return b.list(ctx, q, func(h head) bool { return h.pending() })
}

func (b *Backend) list(ctx context.Context, q secret.Query, wanted func(head) bool) (secret.Page, error) {
	all, err := b.listing.All(b.now(), q.After == "", func() ([]listed, error) { return b.names(ctx) })
	if err != nil {
		return secret.Page{}, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(l listed) bool { return !wanted(l.Item) })
	cut, next := kit.CutPage(q, all, listPage)
	secrets, err := b.resolve(ctx, cut, wanted)
	if err != nil {
		return secret.Page{}, err
	}
	return secret.Page{Secrets: secrets, Next: next}, nil
}

// names reads the product's list. A name that is none of the model's, or a
// gateway's own, is no secret.
func (b *Backend) names(ctx context.Context) ([]listed, error) {
	heads, err := b.client.secrets(ctx, false)
	if err != nil {
		return nil, err
	}
	out := make([]listed, 0, len(heads))
	for _, h := range heads {
		var kept secret.Name
		if _, t := split(h.wire, h.description); t != nil {
			kept = t.Name
		}
		if n, ok := decodeName(h.wire, kept); ok {
			out = append(out, listed{Name: n, Item: h})
		}
	}
	return out, nil
}

// resolve finds what the list does not say, and leaves out what went away
// meanwhile and what is half imported.
func (b *Backend) resolve(ctx context.Context, cut []listed, wanted func(head) bool) ([]*secret.Secret, error) {
	out := make([]*secret.Secret, len(cut))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range cut {
		l := &cut[i]
		g.Go(func() error {
			h, err := b.look(ctx, l.Name, l.Item.wire)
			if err != nil || h == nil || !wanted(h.f.head) || h.unfinished() && !h.f.pending() {
				return err
			}
			out[i] = h.Clone()
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(out, func(s *secret.Secret) bool { return s == nil }), nil
}
