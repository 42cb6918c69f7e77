package huaweicsms

import (
	"context"
	"errors"
	"slices"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// listPage is that of a page for which nobody said a limit.
const listPage = 100

type listed = kit.Listed[secretFact]

// List implements backends.Backend.
//
// The product pages in its own order, in which escaped names stand elsewhere
// than in the model's. So the first page costs the product's whole list, which
// the cache keeps for the others; and each secret of a page costs the calls of a
// Describe, for the list tells nothing of versions and tags.
func (b *Backend) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	return b.list(ctx, q, func(f *secretFact) bool { return q.WithTrash || !f.pending() })
}

// ListTrash implements backends.Backend. It costs what List costs.
func (b *Backend) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return b.list(ctx, q, (*secretFact).pending)
}

func (b *Backend) list(ctx context.Context, q secret.Query, wanted func(*secretFact) bool) (secret.Page, error) {
	all, err := b.listing.All(b.now(), q.After == "", func() ([]listed, error) { return b.names(ctx) })
	if err != nil {
		return secret.Page{}, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(l listed) bool { return !wanted(&l.Item) })
	cut, next := kit.CutPage(q, all, listPage)
	secrets, err := kit.Gather(ctx, readers, cut, func(ctx context.Context, l *listed) (*secret.Secret, error) {
		h, err := b.find(ctx, remote{b.client, l.Name, l.Item.wire}, nil)
		if errors.Is(err, kit.ErrMalformed) { // as far as the list tells: it is not to hide the others
			return newStored(b.scope, l.Name, &facts{secretFact: l.Item}).Clone(), nil
		}
		if err != nil || h == nil || !wanted(&h.facts.secretFact) || h.unfinished() && !h.facts.pending() {
			return nil, err // what went away meanwhile and what is half imported is left out
		}
		return h.Clone(), nil
	})
	if err != nil {
		return secret.Page{}, err
	}
	return secret.Page{Secrets: secrets, Next: next}, nil
}

// names reads the product's list. A name that is none of the model's, or a
// gateway's own, is no secret.
func (b *Backend) names(ctx context.Context) ([]listed, error) {
	facts, err := b.client.secrets(ctx, false)
	if err != nil {
		return nil, err
	}
	out := make([]listed, 0, len(facts))
	for _, f := range facts {
		var kept secret.Name
		if _, t := split(f.wire, f.description); t != nil {
			kept = t.Name
		}
		if n, ok := decodeName(f.wire, kept); ok {
			out = append(out, listed{Name: n, Item: *f})
		}
	}
	return out, nil
}
