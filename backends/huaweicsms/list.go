package huaweicsms

import (
	"context"
	"slices"
	"strings"

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
// Describe, for the list tells nothing of versions and tags. Of names alone it
// tells enough: which are in the trash, and until when.
func (b *Backend) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	return b.list(ctx, q, func(f *secretFact) bool { return q.WithTrash || !f.pending() })
}

// ListTrash implements backends.Backend. It costs what List costs.
func (b *Backend) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return b.list(ctx, q, (*secretFact).pending)
}

func (b *Backend) list(ctx context.Context, q secret.Query, wanted func(*secretFact) bool) (secret.Page, error) {
	all, leftOut, err := b.listing.All(b.now(), q.After == "", func() ([]listed, []secret.LeftOut, error) { return b.names(ctx) })
	if err != nil {
		return secret.Page{}, err
	}
	all = slices.DeleteFunc(slices.Clone(all), func(l listed) bool { return !wanted(&l.Item) })
	cut, next := kit.CutPage(q, all, listPage)
	return kit.ResolvePage(ctx, readers, q, cut, next, leftOut, func(ctx context.Context, l *listed) (kit.Resolved, error) {
		if q.NamesAlone {
			return kit.Resolved{Secret: b.asListed(l)}, nil
		}
		h, err := b.find(ctx, remote{b.client, l.Name, l.Item.wire}, nil)
		switch {
		case kit.OfOne(ctx, err): // as far as the list tells: it is not to hide the others
			return kit.Resolved{Secret: b.asListed(l)}, nil
		case err != nil:
			return kit.Resolved{}, err
		case h == nil, !wanted(&h.facts.secretFact): // it went away meanwhile
			return kit.Resolved{}, nil
		case h.unfinished() && !h.facts.pending():
			return kit.Resolved{LeftOut: &secret.LeftOut{Why: secret.LeftOutUnfinished, Name: l.Name, Detail: kit.HowToEnd}}, nil
		}
		return kit.Resolved{Secret: h.Clone()}, nil
	})
}

// asListed is a secret as far as the product's list tells: without versions.
func (b *Backend) asListed(l *listed) *secret.Secret {
	return newStored(b.scope, l.Name, &facts{secretFact: l.Item}).Clone()
}

// names reads the product's list. A name that is none of the model's is left
// out, and what is a gateway's own is no secret.
func (b *Backend) names(ctx context.Context) (names []listed, leftOut []secret.LeftOut, err error) {
	facts, err := b.client.secrets(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	names = make([]listed, 0, len(facts))
	for _, f := range facts {
		var kept secret.Name
		if _, t := split(f.wire, f.description); t != nil {
			kept = t.Name
		}
		n, ok := decodeName(f.wire, kept)
		switch {
		case ok:
			names = append(names, listed{Name: n, Item: *f})
		case !strings.HasPrefix(f.wire, statePrefix):
			leftOut = append(leftOut, secret.LeftOut{Why: secret.LeftOutName, Native: f.wire})
		}
	}
	return names, leftOut, nil
}
