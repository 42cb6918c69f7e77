package azurekv

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/secret"
)

// noSoftDelete is the recovery level of a vault that deletes for good.
const noSoftDelete = "Purgeable"

// remove deletes a secret. The product takes it out of the live ones at once
// and shows it among the deleted ones up to a minute later.
func (c client) remove(ctx context.Context, name secret.Name, wire string) (it item, err error) {
	o := op{name: name, what: "delete", write: true}
	err = o.settled(ctx, func(ctx context.Context) error {
		r, err := c.sdk.DeleteSecret(ctx, wire, nil)
		if err != nil {
			return err
		}
		it, err = deletedItem(&r.DeletedSecret)
		return err
	})
	return it, err
}

func (c client) getDeleted(ctx context.Context, name secret.Name, wire string) (item, error) {
	o := op{name: name, what: "get-deleted"}
	r, err := c.sdk.GetDeletedSecret(ctx, wire, nil)
	if err != nil {
		return item{}, o.fail(ctx, err)
	}
	it, err := deletedItem(&r.DeletedSecret)
	if err != nil {
		return item{}, o.fail(ctx, err)
	}
	return it, nil
}

// trash lists every deleted secret. Its ids have no version.
func (c client) trash(ctx context.Context) ([]item, error) {
	var items []item
	for pager := c.sdk.NewListDeletedSecretPropertiesPager(nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, op{what: "list-deleted"}.fail(ctx, err)
		}
		for _, p := range page.Value {
			it, err := deletedEntry(p)
			if err != nil {
				return nil, op{what: "list-deleted"}.fail(ctx, err)
			}
			items = append(items, it)
		}
	}
	return items, nil
}

func (c client) recover(ctx context.Context, name secret.Name, wire string) (it item, err error) {
	o := op{name: name, what: "recover", write: true}
	err = o.settled(ctx, func(ctx context.Context) error {
		r, err := c.sdk.RecoverDeletedSecret(ctx, wire, nil)
		if err != nil {
			return err
		}
		it, err = newItem(&azsecrets.SecretProperties{
			ID: r.ID, Attributes: r.Attributes, ContentType: r.ContentType, Tags: r.Tags, Managed: r.Managed,
		})
		return err
	})
	return it, err
}

func (c client) purge(ctx context.Context, name secret.Name, wire string) error {
	o := op{name: name, what: "purge", write: true}
	err := o.settled(ctx, func(ctx context.Context) error {
		_, err := c.sdk.PurgeDeletedSecret(ctx, wire, nil)
		return err
	})
	if is(err, secret.Upstream) && c.protects(ctx, wire) {
		return &secret.Error{Kind: secret.Denied, Op: "azurekv.purge", Name: name, Detail: purgeProtected, Err: secret.Cause(err)}
	}
	return err
}

// purgeProtected is the gateway's own word for it, which dialects know.
const purgeProtected = "purge protection is enabled for this store"

// protects reports whether the vault says that nobody can purge the secret.
func (c client) protects(ctx context.Context, wire string) bool {
	r, err := c.sdk.GetDeletedSecret(ctx, wire, nil)
	return err == nil && r.Attributes != nil && r.Attributes.RecoveryLevel != nil &&
		!strings.Contains(*r.Attributes.RecoveryLevel, "Purgeable")
}

func deletedItem(s *azsecrets.DeletedSecret) (item, error) {
	it, err := deletedEntry(&azsecrets.DeletedSecretProperties{
		ID: s.ID, Attributes: s.Attributes, ContentType: s.ContentType, Tags: s.Tags, Managed: s.Managed,
		DeletedDate: s.DeletedDate, ScheduledPurgeDate: s.ScheduledPurgeDate,
	})
	if err == nil && it.id == "" {
		return item{}, errMalformed
	}
	return it, err
}

func deletedEntry(p *azsecrets.DeletedSecretProperties) (item, error) {
	if p == nil {
		return item{}, errMalformed
	}
	it, err := newItem(&azsecrets.SecretProperties{ID: p.ID, Attributes: p.Attributes, ContentType: p.ContentType, Tags: p.Tags, Managed: p.Managed})
	if err != nil || p.DeletedDate == nil {
		return item{}, errMalformed
	}
	it.deleted = &secret.Deletion{At: timeOf(p.DeletedDate), Purge: timeOf(p.ScheduledPurgeDate)}
	return it, nil
}

// settled makes one write. While the vault refuses it because it is not done
// with a deletion, a recovery or a purge, nothing has happened, and it is made
// again as long as the caller has patience.
func (o op) settled(ctx context.Context, write func(context.Context) error) error {
	return o.settling(ctx, write, func(_, failed error) (bool, error) { return busy(failed), failed })
}

// settling is settled where judge says of each refusal, which it gets as the
// client's error and as ours, whether to try again, and what it is.
func (o op) settling(ctx context.Context, write func(context.Context) error, judge func(raw, failed error) (bool, error)) error {
	var last error
	err := await(ctx, func() (bool, error) {
		watched, sent := watchSend(ctx)
		raw := write(watched)
		if raw == nil {
			return true, nil
		}
		o.sent = sent()
		again, err := judge(raw, o.fail(ctx, raw))
		if again {
			last = err
			return false, nil
		}
		return false, err
	})
	switch {
	case errors.Is(err, errImpatient):
		return last
	case last != nil && ctx.Err() != nil:
		return &secret.Error{Kind: secret.Unavailable, Op: "azurekv." + o.what, Name: o.name, Detail: secret.DetailOf(last), Err: ctx.Err()}
	}
	return err
}

// busy reports whether the vault refuses for a while.
func busy(err error) bool {
	a, ok := errors.AsType[*answer](err)
	return ok && a.status == http.StatusConflict && (a.inner == "ObjectIsBeingDeleted" || a.inner == "ObjectIsBeingRecovered")
}

var errImpatient = errors.New("there is no time left to wait")

// The pauses between two looks.
const (
	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

// await asks until done, an error, or the end of the caller's patience, which
// is errImpatient: three quarters of the time to its deadline, so that there
// is time for what it does next. Without a deadline it asks once.
func await(ctx context.Context, done func() (bool, error)) error {
	deadline, patient := ctx.Deadline()
	end := time.Now().Add(time.Until(deadline) * 3 / 4)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if !patient || time.Now().Add(pause).After(end) {
			return errImpatient
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
