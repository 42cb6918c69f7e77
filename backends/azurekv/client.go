package azurekv

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/secret"
)

// client is the product's API in our types and errors. It retries nothing.
type client struct{ sdk *azsecrets.Client }

// get reads one version with its value; no version means the current one.
// Kinds: NotFound, Disabled and those of any read.
func (c client) get(ctx context.Context, name secret.Name, wire, version string) (item, string, error) {
	it, text, err := c.show(ctx, name, wire, version)
	if err == nil && it.isOpen() {
		return item{}, "", &secret.Error{Kind: secret.Disabled, Op: "azurekv.get", Name: name}
	}
	return it, text, err
}

// show is get, whatever the version's mark says.
func (c client) show(ctx context.Context, name secret.Name, wire, version string) (item, string, error) {
	o := op{name: name, what: "get"}
	r, err := c.sdk.GetSecret(ctx, wire, version, nil)
	if err != nil {
		return item{}, "", o.fail(ctx, err)
	}
	it, err := itemOf(&r.Secret)
	if err != nil {
		return item{}, "", o.fail(ctx, err)
	}
	return it, *r.Value, nil
}

// set writes one version and returns what the product made of it.
func (c client) set(ctx context.Context, name secret.Name, wire string, s *sheet) (item, error) {
	o := op{name: name, what: "set", write: true}
	p, err := s.parameters()
	if err != nil {
		return item{}, &secret.Error{Kind: secret.Internal, Op: "azurekv.set", Name: name, Err: err}
	}
	var it item
	err = o.settled(ctx, func(ctx context.Context) error {
		r, err := c.sdk.SetSecret(ctx, wire, p, nil)
		if err != nil {
			return err
		}
		it, err = itemOf(&r.Secret)
		return err
	})
	return it, err
}

// deleted reports whether the name is held by a deleted secret. Where the
// gateway may not ask, or the vault has no soft delete, the write tells.
func (c client) deleted(ctx context.Context, name secret.Name, wire string) (bool, error) {
	_, err := c.sdk.GetDeletedSecret(ctx, wire, nil)
	if err == nil {
		return true, nil
	}
	err = op{name: name, what: "get-deleted"}.fail(ctx, err)
	if !is(err, secret.Unavailable, secret.Throttled) {
		return false, nil
	}
	return false, err
}

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
		items, settled, err := c.readVersions(ctx, name, wire, seen)
		if err != nil || settled || (last != nil && sameIDs(last, items)) {
			return items, err
		}
		last = items
	}
	return nil, &secret.Error{Kind: secret.Unavailable, Op: "azurekv.versions", Name: name, Detail: "the secret is being written too fast to be read"}
}

func (c client) readVersions(ctx context.Context, name secret.Name, wire string, seen func([]item)) (items []item, settled bool, err error) {
	var first *http.Response
	pages := 0
	pager := c.sdk.NewListSecretPropertiesVersionsPager(wire, nil)
	for pager.More() {
		var resp *http.Response
		page, err := pager.NextPage(policy.WithCaptureResponse(ctx, &resp))
		if err != nil {
			return nil, false, op{name: name, what: "versions"}.fail(ctx, err)
		}
		if pages++; pages == 1 {
			first = resp
		}
		before := len(items)
		if items, err = appendItems(items, page.Value); err != nil {
			return nil, false, op{name: name, what: "versions"}.fail(ctx, err)
		}
		seen(items[before:])
	}
	return items, pages == 1 || olderThan(items, first), nil
}

// nothing is for who needs no page before the last.
func nothing([]item) {}

func appendItems(items []item, page []*azsecrets.SecretProperties) ([]item, error) {
	for _, p := range page {
		it, err := newItem(p)
		if err != nil {
			return nil, err
		}
		items = append(items, it)
	}
	return items, nil
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
func (c client) secrets(ctx context.Context, onlyFirstPage bool) ([]item, error) {
	var items []item
	for pager := c.sdk.NewListSecretPropertiesPager(nil); pager.More(); {
		items0, err := c.nextSecrets(ctx, pager, items)
		if err != nil || onlyFirstPage {
			return items0, err
		}
		items = items0
	}
	return items, nil
}

func (c client) nextSecrets(ctx context.Context, pager *runtime.Pager[azsecrets.ListSecretPropertiesResponse], items []item) ([]item, error) {
	page, err := pager.NextPage(ctx)
	if err != nil {
		return nil, op{what: "list"}.fail(ctx, err)
	}
	if items, err = appendItems(items, page.Value); err != nil {
		return nil, op{what: "list"}.fail(ctx, err)
	}
	return items, nil
}
