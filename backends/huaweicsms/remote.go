package huaweicsms

import (
	"cmp"
	"context"
	"slices"

	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// remote is one secret in the product, there or not: what can be read of it
// here, and what can be written in writes.go.
type remote struct {
	client
	name secret.Name
	wire string // the name as the product has it
}

func (r remote) op(what string) kit.Op { return op(what, r.name) }

// show reads the secret without its versions and tags. Kinds: NotFound and
// those of any read.
func (r remote) show(ctx context.Context) (secretFact, error) {
	return call(ctx, r.client, r.op("show"), (*csms.CsmsClient).ShowSecret, &model.ShowSecretRequest{SecretName: r.wire},
		func(a *model.ShowSecretResponse) (secretFact, error) { return newSecretFact(a.Secret) })
}

// versions lists all versions, by number. Kinds: NotFound.
func (r remote) versions(ctx context.Context) ([]versionFact, error) {
	all, err := pages(false, func(marker *string) (page[versionFact], error) {
		q := &model.ListSecretVersionsRequest{SecretName: r.wire, Limit: new(int32(pageSize)), Marker: marker}
		return call(ctx, r.client, r.op("versions"), (*csms.CsmsClient).ListSecretVersions, q,
			func(a *model.ListSecretVersionsResponse) (page[versionFact], error) {
				return newPage(a.VersionMetadatas, a.PageInfo, newVersionFact)
			})
	})
	slices.SortFunc(all, func(a, b versionFact) int { return cmp.Compare(a.number, b.number) })
	return slices.CompactFunc(all, func(a, b versionFact) bool { return a.number == b.number }), err
}

// tags reads the tags of the secret that has the product's id, less those that
// are the service's own.
func (r remote) tags(ctx context.Context, id string) (map[string]string, error) {
	return call(ctx, r.client, r.op("tags"), (*csms.CsmsClient).ListSecretTags, &model.ListSecretTagsRequest{SecretId: id},
		func(a *model.ListSecretTagsResponse) (map[string]string, error) {
			switch {
			case a.Tags == nil && a.SysTags == nil:
				return nil, kit.ErrMalformed
			case a.Tags == nil:
				return nil, nil
			}
			tags := map[string]string{}
			for _, t := range *a.Tags {
				tags[t.Key] = orEmpty(t.Value)
			}
			return tags, nil
		})
}

// latest is the id of the current version.
const latest = "latest"

// value reads one version's value, and says which version it is.
func (r remote) value(ctx context.Context, id string) (number int64, c content, err error) {
	c, err = call(ctx, r.client, r.op("get"), (*csms.CsmsClient).ShowSecretVersion, &model.ShowSecretVersionRequest{SecretName: r.wire, VersionId: id},
		func(a *model.ShowSecretVersionResponse) (content, error) {
			if a.Version == nil {
				return content{}, kit.ErrMalformed
			}
			v, err := newVersionFact(a.Version.VersionMetadata)
			if err != nil || id != latest && idOf(v.number) != id {
				return content{}, kit.ErrMalformed
			}
			number = v.number
			return newContent(a.Version)
		})
	return number, c, err
}

// content is value for a version of a secret that was live when it was looked
// at, and may since be disabled or in the trash (NotFound).
func (r remote) content(ctx context.Context, number int64) (content, error) {
	_, c, err := r.value(ctx, idOf(number))
	switch {
	case kit.Is(err, secret.Disabled):
		return content{hidden: true}, nil
	case kit.Is(err, secret.Trashed):
		return c, r.op("get").Error(secret.NotFound, "", nil)
	}
	return c, err
}
