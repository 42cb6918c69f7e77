package azurekv

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// client is the product's API in our types and errors. It retries nothing but
// what the vault is not ready for.
type client struct{ sdk *azsecrets.Client }

// get reads one version with its value; no version means the current one.
// Kinds: NotFound, Disabled and those of any read.
func (c client) get(ctx context.Context, name secret.Name, wire, version string) (item, string, error) {
	it, text, err := c.getOpened(ctx, name, wire, version)
	if err == nil && it.isOpened() {
		return item{}, "", readOp("get", name).Error(secret.Disabled, "", nil)
	}
	return it, text, err
}

// getOpened is get for who has opened the version.
func (c client) getOpened(ctx context.Context, name secret.Name, wire, version string) (item, string, error) {
	r, err := c.sdk.GetSecret(ctx, wire, version, nil)
	var it item
	if err == nil {
		it, err = itemOf(&r.Secret)
	}
	if err == nil && (it.id == "" || r.Value == nil) {
		err = kit.ErrMalformed
	}
	if err != nil {
		return item{}, "", failure(ctx, readOp("get", name), false, err)
	}
	return it, *r.Value, nil
}

// set writes one version and returns what the product made of it.
func (c client) set(ctx context.Context, name secret.Name, wire string, p azsecrets.SetSecretParameters) (item, error) {
	return change(ctx, writeOp("set", name), func(ctx context.Context) (*azsecrets.Secret, error) {
		r, err := c.sdk.SetSecret(ctx, wire, p, nil)
		return &r.Secret, err
	}, hasID)
}

// update changes one version in place and returns what the product made of it.
func (c client) update(ctx context.Context, name secret.Name, wire, version string, p azsecrets.UpdateSecretPropertiesParameters) (item, error) {
	return change(ctx, writeOp("update", name), func(ctx context.Context) (*azsecrets.Secret, error) {
		r, err := c.sdk.UpdateSecretProperties(ctx, wire, version, p, nil)
		return &r.Secret, err
	}, func(it *item) bool { return it.id == version })
}

// change makes one write that the vault answers with a version.
func change(ctx context.Context, o kit.Op, write func(context.Context) (*azsecrets.Secret, error), isRight func(*item) bool) (it item, err error) {
	err = onceReady(ctx, o, func(ctx context.Context) error {
		s, err := write(ctx)
		if err != nil {
			return err
		}
		if it, err = itemOf(s); err == nil && !isRight(&it) {
			err = kit.ErrMalformed
		}
		return err
	})
	return it, err
}

func hasID(it *item) bool { return it.id != "" }

// maxReads bounds how often a list is read until nobody writes meanwhile.
const maxReads = 4

// versions lists all versions of a secret, none if there is no such secret.
//
// The product's pages are not one snapshot, and a version that is written
// while they are read may fall into a page that is read already. So a list of
// several pages which shows a version as young as its first page is read
// again, until two agree.
//
// seen is told of each page as it comes, perhaps of a version twice.
func (c client) versions(ctx context.Context, name secret.Name, wire string, seen func([]item)) ([]item, error) {
	var last []item
	for range maxReads {
		items, complete, err := c.readVersions(ctx, name, wire, seen)
		if err != nil || complete || (last != nil && sameIDs(last, items)) {
			return items, err
		}
		last = items
	}
	return nil, tooFast(name)
}

func tooFast(name secret.Name) error {
	return readOp("versions", name).Error(secret.Unavailable, "the secret is being written too fast to be read", nil)
}

func (c client) readVersions(ctx context.Context, name secret.Name, wire string, seen func([]item)) (items []item, complete bool, err error) {
	var first *http.Response
	pages := 0
	for pager := c.sdk.NewListSecretPropertiesVersionsPager(wire, nil); pager.More(); pages++ {
		var resp *http.Response
		page, err := pager.NextPage(policy.WithCaptureResponse(ctx, &resp))
		before := len(items)
		if err == nil {
			items, err = appendItems(items, page.Value, newItem)
		}
		if err != nil {
			return nil, false, failure(ctx, readOp("versions", name), false, err)
		}
		if pages == 0 {
			first = resp
		}
		seen(items[before:])
	}
	return items, pages == 1 || olderThan(items, first), nil
}

// nothing is for who needs no page before the last.
func nothing([]item) {}

func appendItems[P any](items []item, page []*P, read func(*P) (item, error)) ([]item, error) {
	for _, p := range page {
		it, err := read(p)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
}

// appendListed is appendItems for a list of secrets: one whose entry does not
// even tell its name is an item without one, and hides no other.
func appendListed[P any](items []item, page []*P, read func(*P) (item, error)) []item {
	for _, p := range page {
		it, err := read(p)
		if err != nil {
			it = item{}
		}
		items = append(items, it)
	}
	return items
}

// olderThan reports whether every version was there when the answer was given,
// by the product's own clock.
func olderThan(items []item, first *http.Response) bool {
	if first == nil {
		return false
	}
	date, err := http.ParseTime(first.Header.Get("Date"))
	return err == nil && !slices.ContainsFunc(items, func(it item) bool { return !it.created.Before(date.Truncate(time.Second)) })
}

func sameIDs(a, b []item) bool {
	ids := map[string]bool{}
	for i := range a {
		ids[a[i].id] = true
	}
	return len(a) == len(b) && !slices.ContainsFunc(b, func(it item) bool { return !ids[it.id] })
}

// secrets lists every secret, each with the facts of its current version.
func (c client) secrets(ctx context.Context, onlyFirstPage bool) (items []item, err error) {
	pager := c.sdk.NewListSecretPropertiesPager(nil)
	for more := true; more; more = pager.More() && !onlyFirstPage {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, failure(ctx, readOp("list", ""), false, err)
		}
		items = appendListed(items, page.Value, newItem)
	}
	return items, nil
}
