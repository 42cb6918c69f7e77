package azurekv

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// isDeleted reports whether the name is held by a deleted secret. Where the
// gateway may not ask, or the vault has no soft delete, the write tells.
func (c client) isDeleted(ctx context.Context, name secret.Name, wire string) (bool, error) {
	_, err := c.sdk.GetDeletedSecret(ctx, wire, nil)
	if err == nil {
		return true, nil
	}
	err = failure(ctx, readOp("get-deleted", name), false, err)
	if !kit.Is(err, secret.Unavailable, secret.Throttled) {
		return false, nil
	}
	return false, err
}

func (c client) getDeleted(ctx context.Context, name secret.Name, wire string) (item, error) {
	r, err := c.sdk.GetDeletedSecret(ctx, wire, nil)
	var it item
	if err == nil {
		it, err = deletedItem(&r.DeletedSecret)
	}
	if err != nil {
		return item{}, failure(ctx, readOp("get-deleted", name), false, err)
	}
	return it, nil
}

// trash lists every deleted secret. Its ids have no version.
func (c client) trash(ctx context.Context) (items []item, err error) {
	for pager := c.sdk.NewListDeletedSecretPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, failure(ctx, readOp("list-deleted", ""), false, err)
		}
		items = appendListed(items, page.Value, deletedEntry)
	}
	return items, nil
}

// remove deletes a secret. The product takes it out of the live ones at once
// and shows it among the deleted ones up to a minute later.
func (c client) remove(ctx context.Context, name secret.Name, wire string) (it item, err error) {
	err = onceReady(ctx, writeOp("delete", name), func(ctx context.Context) error {
		r, err := c.sdk.DeleteSecret(ctx, wire, nil)
		if err == nil {
			it, err = deletedItem(&r.DeletedSecret)
		}
		return err
	})
	return it, err
}

func (c client) recover(ctx context.Context, name secret.Name, wire string) (item, error) {
	return change(ctx, writeOp("recover", name), func(ctx context.Context) (*azsecrets.Secret, error) {
		r, err := c.sdk.RecoverDeletedSecret(ctx, wire, nil)
		return &r.Secret, err
	}, func(*item) bool { return true }) // whatever the id says
}

func (c client) purge(ctx context.Context, name secret.Name, wire string) error {
	o := writeOp("purge", name)
	err := onceReady(ctx, o, func(ctx context.Context) error {
		_, err := c.sdk.PurgeDeletedSecret(ctx, wire, nil)
		return err
	})
	if kit.Is(err, secret.Upstream) {
		if it, e := c.getDeleted(ctx, name, wire); e == nil && it.protected {
			return o.Error(secret.Denied, purgeProtected, secret.Cause(err))
		}
	}
	return err
}

// purgeProtected is the gateway's own word for it, which dialects know.
const purgeProtected = "purge protection is enabled for this store"

// deletedItem reads the answer about one deleted secret.
func deletedItem(s *azsecrets.DeletedSecret) (item, error) {
	it, err := deletedEntry(&azsecrets.DeletedSecretProperties{
		ID: s.ID, Attributes: s.Attributes, ContentType: s.ContentType, Tags: s.Tags, Managed: s.Managed,
		DeletedDate: s.DeletedDate, ScheduledPurgeDate: s.ScheduledPurgeDate,
	})
	if err == nil && it.id == "" {
		return item{}, kit.ErrMalformed
	}
	return it, err
}

func deletedEntry(p *azsecrets.DeletedSecretProperties) (item, error) {
	if p == nil {
		return item{}, kit.ErrMalformed
	}
	it, err := newItem(&azsecrets.SecretProperties{ID: p.ID, Attributes: p.Attributes, ContentType: p.ContentType, Tags: p.Tags, Managed: p.Managed})
	it.deleted = &secret.Deletion{At: history.OrTime(instant(p.DeletedDate), history.OrTime(it.updated, longAgo)), Purge: instant(p.ScheduledPurgeDate)}
	return it, err
}
