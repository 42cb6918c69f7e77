package huaweicsms

import (
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/secret"
)

// readers is how many calls of one export or list are under way at once.
const readers = 16

// maxReads bounds how often a secret is read until nobody writes meanwhile.
const maxReads = 4

// look reads what the product says of a secret, live or to be deleted. Nil and
// no error: there is none.
//
// The versions come first: a write puts its entry into the description before
// the version is there, so who sees a version sees its entry.
func (b *Backend) look(ctx context.Context, name secret.Name, wire string) (*stored, error) {
	return b.lookAlong(ctx, name, wire, func([]versionFact) {})
}

// lookAlong tells along of the versions while the rest is still to be read.
func (b *Backend) lookAlong(ctx context.Context, name secret.Name, wire string, along func([]versionFact)) (*stored, error) {
	versions, err := b.client.versions(ctx, name, wire)
	switch {
	case is(err, secret.NotFound):
		return nil, nil
	case err != nil && !is(err, secret.Trashed): // of what is to be deleted the product may hide them
		return nil, err
	}
	along(versions)
	h, err := b.client.show(ctx, name, wire)
	if is(err, secret.NotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return b.complete(ctx, name, h, versions)
}

// complete adds the tags.
func (b *Backend) complete(ctx context.Context, name secret.Name, h head, versions []versionFact) (*stored, error) {
	tags, err := b.client.tags(ctx, name, h.id)
	if is(err, secret.NotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return newStored(b.place, name, &facts{head: h, tags: tags, versions: versions}), nil
}

// load is look for what must be there and live.
func (b *Backend) load(ctx context.Context, what string, name secret.Name, wire string) (*stored, error) {
	h, err := b.look(ctx, name, wire)
	return live(what, name, h, err)
}

func live(what string, name secret.Name, h *stored, err error) (*stored, error) {
	switch {
	case err != nil:
		return nil, err
	case h == nil || h.f.pending():
		return nil, &secret.Error{Kind: secret.NotFound, Op: "huaweicsms." + what, Name: name}
	}
	return h, nil
}

// Get implements backends.Backend. The value of the current version is read as
// soon as it is known which one that is, beside the rest.
func (b *Backend) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	wire, err := encodeName(name)
	if err != nil {
		return nil, err
	}
	var seen int64
	var early content
	aside, gctx := errgroup.WithContext(ctx)
	h, err := b.lookAlong(gctx, name, wire, func(versions []versionFact) {
		current := (&facts{versions: versions}).holder(sysCurrent)
		if !sel.IsCurrent() || current == 0 {
			return
		}
		aside.Go(func() error {
			if n, c, err := b.client.value(gctx, name, wire, idOf(current)); err == nil { // else it is read again
				seen, early = n, c
			}
			return nil
		})
	})
	_ = aside.Wait()
	if h, err = live("get", name, h, err); err != nil {
		return nil, err
	}
	v := h.Find(sel)
	if v == nil {
		return nil, &secret.Error{Kind: secret.NotFound, Op: "huaweicsms.get", Name: name, Detail: "no such version"}
	}
	if i := h.index(v.Ordinal); h.numbers[i] == seen && !h.unfinished() {
		v.Value = h.value(seen, early)
	} else if err := b.read(ctx, h, i); err != nil {
		return nil, err
	}
	return h.Only(v.Ordinal), nil
}

// read fills in the value of one version, or why there is none.
func (b *Backend) read(ctx context.Context, h *stored, i int) error {
	if h.unfinished() || h.Versions[i].Missing != "" {
		return h.fill(i, &shown{})
	}
	_, c, err := b.client.value(ctx, h.Name, h.f.wire, idOf(h.numbers[i]))
	return h.fill(i, &shown{c, err})
}

// fill makes of an answer the value of one version, or why there is none.
func (h *stored) fill(i int, r *shown) error {
	v, err := &h.Versions[i], r.err
	switch {
	case v.Missing != "":
		return nil
	case h.unfinished(), is(err, secret.Disabled):
		v.Disabled, v.Missing = true, secret.Unreadable
		return nil
	case is(err, secret.Trashed): // since it was looked at
		return &secret.Error{Kind: secret.NotFound, Op: "huaweicsms.get", Name: h.Name}
	case err != nil:
		return err
	}
	v.Value = h.value(h.numbers[i], r.c)
	return nil
}

// Describe implements backends.Backend.
func (b *Backend) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	wire, err := encodeName(name)
	if err != nil {
		return nil, err
	}
	h, err := b.load(ctx, "describe", name, wire)
	if err != nil {
		return nil, err
	}
	return h.Clone(), nil
}

// Export implements backends.Backend. The state is that of the list of
// versions; a value never changes, so reading it at another moment takes
// nothing from that. If one was recycled meanwhile, all is read again.
func (b *Backend) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	wire, err := encodeName(name)
	if err != nil {
		return nil, err
	}
	for range maxReads {
		if h, err := b.export(ctx, name, wire); err == nil {
			return h.Clone(), nil
		} else if !errors.Is(err, errRecycled) {
			return nil, err
		}
	}
	return nil, &secret.Error{Kind: secret.Unavailable, Op: "huaweicsms.export", Name: name, Detail: "the secret is being written too fast to be read"}
}

var errRecycled = errors.New("a version went away while it was read")

// export reads the values while the rest is still to be read.
func (b *Backend) export(ctx context.Context, name secret.Name, wire string) (*stored, error) {
	ctx, cancel := context.WithCancel(ctx) // ends the reads where the rest fails
	defer cancel()
	r := reading{slots: make(chan struct{}, readers), found: map[int64]*shown{}}
	h, err := b.lookAlong(ctx, name, wire, func(versions []versionFact) {
		for i := range versions {
			r.start(versions[i].number, func(number int64) (content, error) {
				_, c, err := b.client.value(ctx, name, wire, idOf(number))
				return c, err
			})
		}
	})
	if h, err = live("export", name, h, err); err != nil {
		cancel()
	}
	r.group.Wait()
	if err != nil {
		return nil, err
	}
	for i := range h.Versions {
		err := h.fill(i, r.found[h.numbers[i]])
		if is(err, secret.NotFound) {
			return nil, errRecycled
		} else if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// reading reads the values of versions while others are still being listed.
type reading struct {
	group sync.WaitGroup
	slots chan struct{}
	found map[int64]*shown // by number; good once the group is done
}

// shown is what the product answered to a read of a value.
type shown struct {
	c   content
	err error
}

func (r *reading) start(number int64, read func(int64) (content, error)) {
	a := new(shown)
	r.found[number] = a
	r.group.Go(func() { // who starts it does not wait for a slot
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		a.c, a.err = read(number)
	})
}
