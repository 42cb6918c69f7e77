package huaweicsms

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/impl"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/secret"
)

// client is the product's API in our types and errors. It retries nothing: the
// gateway does, and never a 401, five of which lock the key.
type client struct {
	endpoint    string
	credentials *credentials
	transport   http.RoundTripper
}

// call makes one call of the vendor's client under ctx. The client is put
// together by hand, for its builder looks at files and the environment.
func call[T any](ctx context.Context, c client, o op, f func(*csms.CsmsClient) (T, error)) (T, error) {
	var zero T
	key, err := c.credentials.get(ctx)
	if err != nil {
		return zero, o.unsigned(err)
	}
	x := &exchange{ctx: ctx, next: c.transport}
	conf := config.DefaultHttpConfig().WithTimeout(0).WithHttpRoundTripper(x)
	out, err := f(csms.NewCsmsClient(core.NewHcHttpClient(impl.NewDefaultHttpClient(conf)).
		WithEndpoints([]string{c.endpoint}).WithCredential(key)))
	if err == nil {
		return out, nil
	}
	e := o.fail(x, err)
	if a, ok := errors.AsType[*answer](e); ok && a.status == http.StatusUnauthorized {
		c.credentials.refused(key)
	}
	return zero, e
}

// show reads a secret without its versions and tags. Kinds: NotFound and those
// of any read.
func (c client) show(ctx context.Context, name secret.Name, wire string) (head, error) {
	return call(ctx, c, op{name: name, what: "show"}, func(sdk *csms.CsmsClient) (head, error) {
		r, err := sdk.ShowSecret(&model.ShowSecretRequest{SecretName: wire})
		if err != nil {
			return head{}, err
		}
		return newHead(r.Secret)
	})
}

// pageSize is what other clients of the service are known to ask for.
const pageSize = 100

// secrets lists every secret, those to be deleted too, in the product's order.
func (c client) secrets(ctx context.Context, onlyFirstPage bool) ([]head, error) {
	var all []head
	for marker := ""; ; {
		page, next, err := c.secretsPage(ctx, marker)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" || next == marker || onlyFirstPage {
			return all, nil
		}
		marker = next
	}
}

func (c client) secretsPage(ctx context.Context, marker string) (page []head, next string, err error) {
	limit := "100"
	page, err = call(ctx, c, op{what: "list"}, func(sdk *csms.CsmsClient) ([]head, error) {
		r, err := sdk.ListSecrets(&model.ListSecretsRequest{Limit: &limit, Marker: optional(marker)})
		if err != nil {
			return nil, err
		}
		next = nextMarker(r.PageInfo)
		if r.Secrets == nil {
			return nil, errMalformed
		}
		return each(*r.Secrets, newHead)
	})
	return page, next, err
}

// versions lists all versions of a secret, by number. Kinds: NotFound.
func (c client) versions(ctx context.Context, name secret.Name, wire string) ([]versionFact, error) {
	var all []versionFact
	for marker := ""; ; {
		page, next, err := c.versionsPage(ctx, name, wire, marker)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" || next == marker {
			break
		}
		marker = next
	}
	slices.SortFunc(all, func(a, b versionFact) int { return cmp.Compare(a.number, b.number) })
	return slices.CompactFunc(all, func(a, b versionFact) bool { return a.number == b.number }), nil
}

func (c client) versionsPage(ctx context.Context, name secret.Name, wire, marker string) (page []versionFact, next string, err error) {
	limit := int32(pageSize)
	page, err = call(ctx, c, op{name: name, what: "versions"}, func(sdk *csms.CsmsClient) ([]versionFact, error) {
		r, err := sdk.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: wire, Limit: &limit, Marker: optional(marker)})
		if err != nil {
			return nil, err
		}
		next = nextMarker(r.PageInfo)
		if r.VersionMetadatas == nil {
			return nil, errMalformed
		}
		return each(*r.VersionMetadatas, newVersion)
	})
	return page, next, err
}

// tags reads the tags of a secret, less those that are the service's own.
func (c client) tags(ctx context.Context, name secret.Name, id string) (map[string]string, error) {
	return call(ctx, c, op{name: name, what: "tags"}, func(sdk *csms.CsmsClient) (map[string]string, error) {
		r, err := sdk.ListSecretTags(&model.ListSecretTagsRequest{SecretId: id})
		switch {
		case err != nil:
			return nil, err
		case r.Tags == nil && r.SysTags == nil:
			return nil, errMalformed
		case r.Tags == nil:
			return nil, nil
		}
		tags := map[string]string{}
		for _, t := range *r.Tags {
			tags[t.Key] = text(t.Value)
		}
		return tags, nil
	})
}

// latest is the id of the current version.
const latest = "latest"

// value reads one version's value, and says which version it is.
func (c client) value(ctx context.Context, name secret.Name, wire, id string) (number int64, value content, err error) {
	value, err = call(ctx, c, op{name: name, what: "get"}, func(sdk *csms.CsmsClient) (content, error) {
		r, err := sdk.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: wire, VersionId: id})
		if err != nil {
			return content{}, err
		}
		if r.Version == nil {
			return content{}, errMalformed
		}
		m, err := newVersion(r.Version.VersionMetadata)
		if err != nil || id != latest && idOf(m.number) != id {
			return content{}, errMalformed
		}
		number = m.number
		return newContent(r.Version)
	})
	return number, value, err
}

// nextMarker is "" on the last page: the product says null there, or nothing.
func nextMarker(p *model.PageInfo) string {
	if p == nil {
		return ""
	}
	return text(p.NextMarker)
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func each[A, B any](in []A, f func(*A) (B, error)) ([]B, error) {
	out := make([]B, 0, len(in))
	for i := range in {
		b, err := f(&in[i])
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
