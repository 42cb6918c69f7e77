package huaweicsms

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// readers is how many calls of one export or list are under way at once.
const readers = 16

// maxReads bounds how often a secret is read until nobody writes meanwhile.
const maxReads = 4

// find reads what the product says of a secret, live or to be deleted. Nil and
// no error: there is none. begin, which may be nil, hears of the versions while
// the rest is still to be read.
//
// The versions come first: a write puts its entry into the description before
// the version is there, so who sees a version sees its entry.
func (b *Backend) find(ctx context.Context, r remote, begin func(*facts)) (*stored, error) {
	f := new(facts)
	var err error
	if f.versions, err = r.versions(ctx); err != nil && !kit.Is(err, secret.Trashed) { // of what is to be deleted the product may hide them
		return nil, unlessAbsent(err)
	}
	if begin != nil {
		begin(f)
	}
	if f.secretFact, err = r.show(ctx); err != nil {
		return nil, unlessAbsent(err)
	}
	if f.tags, err = r.tags(ctx, f.id); err != nil {
		return nil, unlessAbsent(err)
	}
	h := newStored(b.scope, r.name, f)
	h.remote = r
	return h, nil
}

// unlessAbsent is err, unless it says that there is no such thing.
func unlessAbsent(err error) error {
	if kit.Is(err, secret.NotFound) {
		return nil
	}
	return err
}

// must is find for what must be there: live, or in the trash.
func (b *Backend) must(ctx context.Context, r remote, what string, trashed bool, begin func(*facts)) (*stored, error) {
	h, err := b.find(ctx, r, begin)
	if err == nil && (h == nil || h.facts.pending() != trashed) {
		err = r.op(what).Error(secret.NotFound, "", nil)
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// pick returns the index of the version that sel picks.
func (h *stored) pick(what string, sel secret.Selector) (int, error) {
	v := h.Find(sel)
	if v == nil {
		return 0, op(what, h.Name).Error(secret.NotFound, "no such version", nil)
	}
	return h.index(v.Ordinal), nil
}

// Get implements backends.Backend. The value of the current version is read as
// soon as it is known which one that is, beside the rest.
func (b *Backend) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	r, err := b.remote(name)
	if err != nil {
		return nil, err
	}
	reader := kit.NewReader(ctx, readers, r.content)
	defer reader.End()
	h, err := b.must(ctx, r, "get", false, func(f *facts) {
		if n := f.holder(sysCurrent); sel.IsCurrent() && n != 0 {
			reader.Start(n)
		}
	})
	if err != nil {
		return nil, err
	}
	i, err := h.pick("get", sel)
	if err == nil {
		err = h.setValue(i, func(number int64) (content, error) {
			reader.Start(number)
			if err := reader.Wait(); err != nil {
				return content{}, err
			}
			return reader.Get(number)
		})
	}
	if err != nil {
		return nil, err
	}
	return h.Only(h.Versions[i].Ordinal), nil
}

// Describe implements backends.Backend.
func (b *Backend) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return b.describe(ctx, name, "describe", false)
}

// DescribeTrash implements backends.Backend.
func (b *Backend) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return b.describe(ctx, name, "describe-trash", true)
}

func (b *Backend) describe(ctx context.Context, name secret.Name, what string, trashed bool) (*secret.Secret, error) {
	r, err := b.remote(name)
	if err != nil {
		return nil, err
	}
	h, err := b.must(ctx, r, what, trashed, nil)
	if err != nil {
		return nil, err
	}
	h.foretell(ctx)
	return h.Clone(), nil
}

// foretell tells of what a backup loses beside what it shows.
func (h *stored) foretell(ctx context.Context) {
	if h.facts.subscribes { // the gateway's own subscriptions are in Extra
		loss.Foretell(ctx, secret.Loss{Grade: secret.Trace, What: loss.Subscriptions, Why: "an event of CSMS does not come with the secret"})
	}
}

// Export implements backends.Backend. The state is that of the list of
// versions; a value never changes, so reading it at another moment takes
// nothing from that. If one was recycled meanwhile, all is read again.
func (b *Backend) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	r, err := b.remote(name)
	if err != nil {
		return nil, err
	}
	for range maxReads {
		if h, err := b.export(ctx, r); err == nil {
			h.foretell(ctx)
			return h.Clone(), nil
		} else if !errors.Is(err, errRecycled) {
			return nil, err
		}
	}
	return nil, r.op("export").Error(secret.Unavailable, "the secret is being written too fast to be read", nil)
}

var errRecycled = errors.New("a version went away while it was read")

func (b *Backend) export(ctx context.Context, r remote) (*stored, error) {
	reader := kit.NewReader(ctx, readers, r.content)
	defer reader.End()
	h, err := b.must(ctx, r, "export", false, func(f *facts) {
		for i := range f.versions {
			reader.Start(f.versions[i].number)
		}
	})
	if err != nil {
		return nil, err
	}
	if err := reader.Wait(); err != nil {
		return nil, err
	}
	for i := range h.Versions {
		if err := h.setValue(i, reader.Get); err != nil { // it is not found
			return nil, errRecycled
		}
	}
	return h, nil
}
