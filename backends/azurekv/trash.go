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

var (
	_ backends.Backend           = (*Backend)(nil)
	_ backends.RetentionReporter = (*Backend)(nil)
)

// Delete implements backends.Backend. The vault's own retention decides until
// when, not the argument: Deleted.Purge is what the vault answers.
//
// A vault without soft delete would destroy the secret: Unsupported.
func (b *Backend) Delete(ctx context.Context, name secret.Name, _ time.Time) (*secret.Secret, error) {
	var out *secret.Secret
	err := b.changing(ctx, name, func(wire string) error {
		h, items, err := b.before(ctx, name, wire)
		switch {
		case err != nil:
			return err
		case h == nil:
			return &secret.Error{Kind: secret.NotFound, Op: "azurekv.delete", Name: name}
		case slices.ContainsFunc(items, func(it item) bool { return it.hard }):
			return &secret.Error{Kind: secret.Unsupported, Op: "azurekv.delete", Name: name, Detail: "the vault has no soft delete, and would destroy the secret"}
		}
		it, err := b.client.remove(ctx, name, wire)
		if kit.Is(err, secret.NotFound) {
			it, err = b.deletedNow(ctx, name, wire, err)
		}
		if err != nil {
			return err
		}
		b.listing.Strike(name)
		b.trash.Enter(name, it)
		// Done, whether or not it shows before the caller's patience ends.
		_ = await(ctx, func() (bool, error) { return b.shown(ctx, name, wire) })
		out = h.Clone()
		out.Deleted = it.deleted
		return nil
	})
	return out, err
}

// deletedNow is the secret in the trash that was live a moment before: its
// deletion came twice, or another's came first. If it is not there, it is gone.
func (b *Backend) deletedNow(ctx context.Context, name secret.Name, wire string, gone error) (item, error) {
	if it, err := b.client.getDeleted(ctx, name, wire); err == nil {
		return it, nil
	}
	return item{}, gone
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
	s := newStored(b.place, name, []item{it}, it.id).Clone()
	s.Deleted = it.deleted
	if it.tag != nil && it.tag.Current != 0 {
		s.Current = it.tag.Current
	}
	return s
}

// ListTrash implements backends.Backend. It costs what List costs.
func (b *Backend) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	read := func() ([]item, error) { return b.client.trash(ctx) }
	return b.page(ctx, q, &b.trash, read, b.resolveTrash)
}

// resolveTrash asks for a native version, for the list does not tell its id.
func (b *Backend) resolveTrash(ctx context.Context, l *listed) (*secret.Secret, error) {
	it, err := l.Item, error(nil)
	if it.tag == nil {
		it, err = b.client.getDeleted(ctx, l.Name, strings.ToLower(it.name))
	}
	switch {
	case kit.Is(err, secret.NotFound): // gone meanwhile
		return nil, nil
	case err != nil:
		return nil, err
	}
	return b.fromTrash(l.Name, it), nil
}

// Recover implements backends.Backend. It returns when the secret can be read
// again, which takes the vault some seconds. Unknown: it was still not there
// when the caller's patience ended.
func (b *Backend) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	var out *secret.Secret
	err := b.changing(ctx, name, func(wire string) error {
		it, err := b.client.recover(ctx, name, wire)
		if err != nil {
			return err
		}
		b.trash.Strike(name)
		b.listing.Enter(name, it)
		h, err := b.awaitLive(ctx, name, wire)
		if err != nil {
			return &secret.Error{Kind: secret.Unknown, Op: "azurekv.recover", Name: name, Detail: "Key Vault is recovering the secret, and it cannot be read yet", Err: secret.Cause(err)}
		}
		out = h.Clone()
		return nil
	})
	return out, err
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
	return b.changing(ctx, name, func(wire string) error {
		if err := b.client.purge(ctx, name, wire); err != nil {
			return err
		}
		b.trash.Strike(name)
		_ = await(ctx, func() (bool, error) {
			there, err := b.shown(ctx, name, wire)
			return !there, err
		})
		return nil
	})
}

// shown reports whether the vault shows the name in the trash. An error: it
// does not say.
func (b *Backend) shown(ctx context.Context, name secret.Name, wire string) (bool, error) {
	_, err := b.client.getDeleted(ctx, name, wire)
	if kit.Is(err, secret.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// Retention implements backends.RetentionReporter: every secret tells that of its vault.
func (b *Backend) Retention(ctx context.Context) (int, error) {
	items, err := b.client.secrets(ctx, true)
	if err != nil || len(items) == 0 {
		return 0, err
	}
	return items[0].days, nil
}

// changing runs change as the only writer of the name in this process.
func (b *Backend) changing(ctx context.Context, name secret.Name, change func(wire string) error) error {
	wire, err := naming.Encode(name)
	if err != nil {
		return err
	}
	release, err := b.locks.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer release()
	return change(wire)
}
