package azurekv

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/secret"
)

// readers is how many values an export reads at once.
const readers = 16

// Get implements backends.Backend. The current version is one call, if it was
// written through a gateway.
func (b *Backend) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	wire, err := naming.Encode(name)
	if err != nil {
		return nil, err
	}
	var seen item
	var text string
	if sel.IsCurrent() {
		seen, text, err = b.client.get(ctx, name, wire, "")
		switch {
		case err != nil && !is(err, secret.Disabled):
			return nil, err
		case err == nil && seen.whole():
			return b.current(name, &seen, text)
		}
	}
	h, err := b.load(ctx, name, wire)
	if err != nil {
		return nil, err
	}
	v := h.Find(sel)
	if v == nil {
		return nil, &secret.Error{Kind: secret.NotFound, Op: "azurekv.get", Name: name, Detail: "no such version"}
	}
	if e := h.find(v.Ordinal); seen.id == e.id {
		v.Value, v.Missing = e.value(text), ""
	} else if err := b.read(ctx, h, wire, v); err != nil {
		return nil, err
	}
	return h.Only(v.Ordinal), nil
}

// current is the answer that one call gives.
func (b *Backend) current(name secret.Name, it *item, text string) (*secret.Secret, error) {
	h := newHistory(b.place, name, []item{*it}, it.id)
	if h.Current == 0 {
		return nil, &secret.Error{Kind: secret.NotFound, Op: "azurekv.get", Name: name, Detail: "no version is current"}
	}
	h.Versions[0].Value = it.value(text)
	return h.Clone(), nil
}

// load reads everything but the values.
func (b *Backend) load(ctx context.Context, name secret.Name, wire string) (*history, error) {
	for range maxReads {
		items, err := b.client.versions(ctx, name, wire)
		switch {
		case err != nil:
			return nil, err
		case len(items) == 0:
			return nil, &secret.Error{Kind: secret.NotFound, Op: "azurekv.versions", Name: name}
		case !undecided(b.place, items):
			return newHistory(b.place, name, items, ""), nil
		}
		it, _, err := b.client.get(ctx, name, wire, "")
		if err != nil && !is(err, secret.Disabled) {
			return nil, err
		}
		for i := range items {
			if it.id == "" || it.id == items[i].id { // disabled: the product does not say
				return newHistory(b.place, name, items, it.id), nil
			}
		}
	}
	return nil, &secret.Error{Kind: secret.Unavailable, Op: "azurekv.versions", Name: name, Detail: "the secret is being written too fast to be read"}
}

// read fills in the value of one version, or why there is none.
func (b *Backend) read(ctx context.Context, h *history, wire string, v *secret.Version) error {
	e := h.find(v.Ordinal)
	_, text, err := b.client.get(ctx, h.Name, wire, e.id)
	switch {
	case is(err, secret.Disabled):
		v.Disabled, v.Missing = true, secret.Unreadable
		return nil
	case err != nil:
		return err
	}
	v.Value, v.Missing = e.value(text), ""
	return nil
}

// Describe implements backends.Backend.
func (b *Backend) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	wire, err := naming.Encode(name)
	if err != nil {
		return nil, err
	}
	h, err := b.load(ctx, name, wire)
	if err != nil {
		return nil, err
	}
	return h.Clone(), nil
}

// Export implements backends.Backend. The state is that of the list; a value
// never changes, so reading them later takes nothing from it.
func (b *Backend) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	wire, err := naming.Encode(name)
	if err != nil {
		return nil, err
	}
	h, err := b.load(ctx, name, wire)
	if err != nil {
		return nil, err
	}
	if tied := h.tied(); tied != nil && b.log != nil {
		b.log.WarnContext(ctx, "native versions of one second: their order is by id, which is no order in time",
			"store", b.place.store, "name", name, "versions", tied)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i := range h.Versions {
		g.Go(func() error { return b.read(gctx, h, wire, &h.Versions[i]) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return h.Clone(), nil
}
