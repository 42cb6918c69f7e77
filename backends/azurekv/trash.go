package azurekv

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

var _ backends.RetentionReporter = (*Backend)(nil)

// Delete implements backends.Backend. The vault's own retention decides until
// when, not the argument: Deleted.Purge is what the vault answers.
//
// A vault without soft delete would destroy the secret: Unsupported.
func (b *Backend) Delete(ctx context.Context, name secret.Name, _ time.Time) (*secret.Secret, error) {
	return changing(ctx, b, name, func(wire string) (*secret.Secret, error) {
		h, err := b.toChange(ctx, name, wire)
		o := writeOp("delete", name)
		switch {
		case err != nil:
			return nil, err
		case h.isEmpty():
			return nil, o.Error(secret.NotFound, "", nil)
		case slices.ContainsFunc(h.entries, func(e entry) bool { return e.unrecoverable }):
			return nil, o.Error(secret.Unsupported, "the vault has no soft delete, and would destroy the secret", nil)
		}
		it, err := b.client.remove(ctx, name, wire)
		if kit.Is(err, secret.NotFound) { // it was there: the deletion came twice, or another's came first
			if there, e := b.client.getDeleted(ctx, name, wire); e == nil {
				it, err = there, nil
			}
		}
		if err != nil {
			return nil, err
		}
		b.listing.Strike(name)
		b.trash.Enter(name, it)
		b.awaitTrash(ctx, name, wire, true)
		out := h.Clone()
		out.Deleted = it.deleted
		return out, nil
	})
}

// awaitTrash waits until the vault shows the name in the trash, or shows it no
// more. What was asked for is done even if that never shows.
func (b *Backend) awaitTrash(ctx context.Context, name secret.Name, wire string, there bool) {
	_ = await(ctx, func() (bool, error) {
		_, err := b.client.getDeleted(ctx, name, wire)
		if kit.Is(err, secret.NotFound) {
			return !there, nil
		}
		return there, err
	})
}

// DescribeTrash implements backends.Backend. Of what is deleted the vault
// shows the newest version alone, whose tag tells the roles. If native tools
// wrote that one, nothing tells its ordinal among the others, and it is called
// the first.
func (b *Backend) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	wire, err := naming.Encode(name)
	if err != nil {
		return nil, err
	}
	it, err := b.client.getDeleted(ctx, name, wire)
	if err != nil {
		return nil, err
	}
	return b.fromTrash(name, it), nil
}

func (b *Backend) fromTrash(name secret.Name, it item) *secret.Secret {
	h := newStored(b.origin, name, []item{it}, it.id)
	s := h.Clone()
	s.Deleted = it.deleted
	if e := &h.entries[0]; e.tellsSecret() { // a version that is not shown counts too
		s.Current = e.tag.Secret.Roles.Current
	}
	return s
}

// ListTrash implements backends.Backend. It costs what List costs.
func (b *Backend) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return b.page(ctx, q, &b.trash, func() ([]item, error) { return b.client.trash(ctx) }, b.resolveTrash)
}

// resolveTrash asks for a native version, for the list does not tell its id.
func (b *Backend) resolveTrash(ctx context.Context, q secret.Query, l *listed) (kit.Resolved, error) {
	it, err := l.Item, error(nil)
	if it.tag == nil && !q.NamesAlone {
		it, err = b.client.getDeleted(ctx, l.Name, strings.ToLower(it.name))
	}
	switch {
	case kit.Is(err, secret.NotFound): // gone meanwhile
		return kit.Resolved{}, nil
	case kit.OfOne(ctx, err):
		it = l.Item
	case err != nil:
		return kit.Resolved{}, err
	}
	return kit.Resolved{Secret: b.fromTrash(l.Name, it)}, nil
}

// Recover implements backends.Backend. It returns when the secret can be read
// again, which takes the vault some seconds. Unknown: it was still not there
// when the time to wait was over.
func (b *Backend) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return changing(ctx, b, name, func(wire string) (*secret.Secret, error) {
		it, err := b.client.recover(ctx, name, wire)
		if err != nil {
			return nil, err
		}
		b.trash.Strike(name)
		b.listing.Enter(name, it)
		h, err := b.awaitLive(ctx, name, wire)
		if err != nil {
			return nil, writeOp("recover", name).Error(secret.Unknown, "Key Vault is recovering the secret, and it cannot be read yet", secret.Cause(err))
		}
		return h.Clone(), nil
	})
}

// awaitLive loads a secret that the vault has said is there, as soon as it can
// be read. That the vault is busy or throttles meanwhile says nothing of it.
func (b *Backend) awaitLive(ctx context.Context, name secret.Name, wire string) (*stored, error) {
	var h *stored
	var last error
	err := await(ctx, func() (bool, error) {
		h, last = b.load(ctx, name, wire, nothing)
		if kit.Is(last, secret.NotFound, secret.Unavailable, secret.Throttled) {
			return false, nil
		}
		return last == nil, last
	})
	if errors.Is(err, errNoTime) {
		err = last
	}
	return h, err
}

// Purge implements backends.Backend. The vault frees the name some seconds
// later and lets nobody see when: a Put or Import meanwhile waits for it.
// Denied: the vault has purge protection.
func (b *Backend) Purge(ctx context.Context, name secret.Name) error {
	_, err := changing(ctx, b, name, func(wire string) (none struct{}, err error) {
		if err := b.client.purge(ctx, name, wire); err != nil {
			return none, err
		}
		b.trash.Strike(name)
		b.awaitTrash(ctx, name, wire, false)
		return none, nil
	})
	return err
}

// Retention implements backends.RetentionReporter: every secret tells that of its vault.
func (b *Backend) Retention(ctx context.Context) (int, error) {
	items, err := b.client.secrets(ctx, true)
	for i := range items {
		if items[i].days > 0 {
			return items[i].days, err
		}
	}
	return 0, err
}
