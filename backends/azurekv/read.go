package azurekv

import (
	"context"
	"slices"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// readers is how many values an export reads at once.
const readers = 32

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
		if seen, text, err = b.client.get(ctx, name, wire, ""); err != nil && !kit.Is(err, secret.Disabled) {
			return nil, err
		}
	}
	var h *stored
	if seen.suffices() {
		h = newStored(b.origin, name, []item{seen}, seen.id)
	} else if h, err = b.load(ctx, name, wire, nothing); err != nil {
		return nil, err
	}
	v := h.Find(sel)
	if v == nil {
		return nil, readOp("get", name).Error(secret.NotFound, "no such version", nil)
	}
	e, c := h.find(v.Ordinal), content{text: []byte(text)}
	if seen.id != e.id {
		if c, err = b.content(ctx, name, wire, e.id); err != nil {
			return nil, err
		}
	}
	e.fill(v, &c)
	return h.Only(v.Ordinal), nil
}

// load reads everything but the values. seen is told of versions early.
func (b *Backend) load(ctx context.Context, name secret.Name, wire string, seen func([]item)) (*stored, error) {
	for range maxReads {
		items, err := b.client.versions(ctx, name, wire, seen)
		switch {
		case err != nil:
			return nil, err
		case len(items) == 0:
			return nil, readOp("versions", name).Error(secret.NotFound, "", nil)
		case !undecided(b.origin, items):
			return newStored(b.origin, name, items, ""), nil
		}
		it, _, err := b.client.get(ctx, name, wire, "")
		if err != nil && !kit.Is(err, secret.Disabled) {
			return nil, err
		}
		if err != nil { // it is disabled, and the product does not say which one it is
			return newStored(b.origin, name, items, onlyDisabled(items)), nil
		}
		for i := range items {
			if it.id == items[i].id {
				return newStored(b.origin, name, items, it.id), nil
			}
		}
	}
	return nil, tooFast(name)
}

// onlyDisabled is the id of the one version that is disabled among those of the
// last second; "" where there is no such one.
func onlyDisabled(items []item) (id string) {
	last := slices.MaxFunc(items, func(a, b item) int { return a.created.Compare(b.created) }).created
	for i := range items {
		switch it := &items[i]; {
		case !it.disabled || !it.created.Equal(last):
		case id != "":
			return ""
		default:
			id = it.id
		}
	}
	return id
}

// content is what the product shows of one version.
type content struct {
	text   []byte // and not the string, which would be held beside the value
	hidden bool   // the version is disabled
}

func (b *Backend) content(ctx context.Context, name secret.Name, wire, id string) (content, error) {
	_, text, err := b.client.get(ctx, name, wire, id)
	if kit.Is(err, secret.Disabled) {
		return content{hidden: true}, nil
	}
	return content{text: []byte(text)}, err
}

// fill puts what the product shows into v, which is e.
func (e *entry) fill(v *secret.Version, c *content) {
	if c.hidden {
		v.Disabled, v.Missing = true, secret.Unreadable
		return
	}
	v.Value, v.Missing = e.value(c.text), ""
}

// Describe implements backends.Backend.
func (b *Backend) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	wire, err := naming.Encode(name)
	if err != nil {
		return nil, err
	}
	h, err := b.load(ctx, name, wire, nothing)
	if err != nil {
		return nil, err
	}
	h.foretell(ctx)
	return h.Clone(), nil
}

// foretell tells of what a backup may lose beside what it shows.
func (h *stored) foretell(ctx context.Context) {
	for _, o := range h.tied() {
		loss.Foretell(ctx, secret.Loss{Grade: secret.Trace, Version: o, What: loss.Ordinal, Why: "of several that native tools wrote in one second Key Vault tells only the newest"})
	}
}

// Export implements backends.Backend. The state is that of the list; a value
// never changes, so reading it at another moment takes nothing from that.
func (b *Backend) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	wire, err := naming.Encode(name)
	if err != nil {
		return nil, err
	}
	h, err := b.export(ctx, name, wire)
	if err != nil {
		return nil, err
	}
	return h.Clone(), nil
}

func (b *Backend) export(ctx context.Context, name secret.Name, wire string) (*stored, error) {
	r := kit.NewReader(ctx, readers, func(ctx context.Context, id string) (content, error) { return b.content(ctx, name, wire, id) })
	h, err := b.load(ctx, name, wire, func(page []item) {
		for i := range page {
			r.Start(page[i].id)
		}
	})
	if err != nil {
		r.Stop()
	}
	if failed := r.Wait(); err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	if tied := h.tied(); tied != nil && b.log != nil {
		b.log.WarnContext(ctx, "native versions of one second: their order is by id, which is no order in time",
			"store", b.origin.store, "name", name, "versions", tied)
	}
	h.foretell(ctx)
	for i := range h.Versions {
		e := &h.entries[i]
		c, err := r.Get(e.id)
		if err != nil {
			return nil, err
		}
		e.fill(&h.Versions[i], &c)
	}
	return h, nil
}
