package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/hashicorp/vault/api"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"
	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

var errBare = errors.New("the bare client got another answer than it should")

// bareVault is the client of KV version 2. An export reads the metadata, which
// lists the versions, and then each. An import raises max_versions, for Vault
// would keep ten, and writes each version if it is the next: n+1 calls.
type bareVault struct{ kv *api.KVv2 }

func moveVault(b *testing.B) mover {
	b.Helper()
	server := vaulttest.Shared(b)
	mount := server.NewMount(b)
	return mover{ours: openVault(b, server, mount, "ours"), bare: bareVault{server.Client(b, vaulttest.RootToken).KVv2(mount)}}
}

func (c bareVault) export(ctx context.Context, name string, readers int) error {
	m, err := c.kv.GetMetadata(ctx, name)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, v := range m.Versions {
		g.Go(func() error {
			got, err := c.kv.GetVersion(ctx, name, v.Version)
			if err == nil && got.Data["value"] == nil {
				err = errBare
			}
			return err
		})
	}
	return g.Wait()
}

func (c bareVault) load(ctx context.Context, s *secret.Secret) error {
	name := string(s.Name)
	if err := c.kv.PutMetadata(ctx, name, api.KVMetadataPutInput{MaxVersions: 1000}); err != nil {
		return err
	}
	for i := range s.Versions {
		data := map[string]any{"value": string(s.Versions[i].Value.Reveal())}
		if _, err := c.kv.Put(ctx, name, data, api.WithCheckAndSet(i)); err != nil {
			return err
		}
	}
	return nil
}

// bareVault1 is the client of KV version 1: one call each way.
type bareVault1 struct{ kv *api.KVv1 }

func moveVault1(b *testing.B) mover {
	b.Helper()
	server := vaulttest.Shared(b)
	mount := server.NewMountV1(b)
	return mover{ours: openVault(b, server, mount, "ours"), bare: bareVault1{server.Client(b, vaulttest.RootToken).KVv1(mount)}}
}

func (c bareVault1) export(ctx context.Context, name string, _ int) error {
	got, err := c.kv.Get(ctx, name)
	if err == nil && got.Data["value"] == nil {
		err = errBare
	}
	return err
}

func (c bareVault1) load(ctx context.Context, s *secret.Secret) error {
	return c.kv.Put(ctx, string(s.Name), map[string]any{"value": string(s.Newest().Value.Reveal())})
}

// bareAzure is azsecrets. An export lists the versions page by page, which
// says all but the values, and reads each value as soon as its page is there.
// An import is one call for each version, with content type, times and tags: n
// calls. It does not look whether the name is taken.
type bareAzure struct{ c *azsecrets.Client }

func moveAzure(b *testing.B) mover {
	b.Helper()
	cloud := newCloud(b)
	bare, ok := newAzure(b, cloud, "cloud").(azureClient)
	if !ok {
		b.Fatal("no client of Azure")
	}
	return mover{ours: open(b, azurekv.Driver, "ours", overCloud(b, cloud)), bare: bareAzure(bare)}
}

func (c bareAzure) export(ctx context.Context, name string, readers int) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for pager := c.c.NewListSecretPropertiesVersionsPager(name, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return errors.Join(err, g.Wait())
		}
		for _, p := range page.Value {
			g.Go(func() error {
				got, err := c.c.GetSecret(gctx, name, p.ID.Version(), nil)
				if err == nil && got.Value == nil {
					err = errBare
				}
				return err
			})
		}
	}
	return g.Wait()
}

func (c bareAzure) load(ctx context.Context, s *secret.Secret) error {
	for i := range s.Versions {
		v := &s.Versions[i]
		p := azsecrets.SetSecretParameters{Value: new(string(v.Value.Reveal())), SecretAttributes: &azsecrets.SecretAttributes{}}
		if v.ContentType != "" {
			p.ContentType = &v.ContentType
		}
		if !v.Expires.IsZero() {
			p.SecretAttributes.Expires = &v.Expires
		}
		if !v.NotBefore.IsZero() {
			p.SecretAttributes.NotBefore = &v.NotBefore
		}
		for k, t := range v.Tags {
			if p.Tags == nil {
				p.Tags = map[string]*string{}
			}
			p.Tags[k] = &t
		}
		if _, err := c.c.SetSecret(ctx, string(s.Name), p, nil); err != nil {
			return err
		}
	}
	return nil
}

// bareHuawei is the vendor's client of CSMS. An export reads the secret, lists
// its versions and reads its tags, all at once as far as one call does not need
// another's answer, and then each value. An import makes the secret with its
// description and its first version, then each other version with its end, then the
// end of the first, the tags and the stages where there are any: n calls for a
// plain secret.
type bareHuawei struct{ c *csms.CsmsClient }

func moveHuawei(b *testing.B) mover {
	b.Helper()
	cloud := newCloud(b)
	bare, ok := newHuawei(b, cloud, "cloud").(huaweiClient)
	if !ok {
		b.Fatal("no client of Huawei Cloud")
	}
	return mover{ours: open(b, huaweicsms.Driver, "ours", overCSMS(b, cloud)), bare: bareHuawei(bare)}
}

func (c bareHuawei) export(_ context.Context, name string, readers int) error {
	var beside, values errgroup.Group
	values.SetLimit(readers)
	beside.Go(func() error {
		shown, err := c.c.ShowSecret(&model.ShowSecretRequest{SecretName: name})
		if err == nil {
			_, err = c.c.ListSecretTags(&model.ListSecretTagsRequest{SecretId: *shown.Secret.Id})
		}
		return err
	})
	listed, err := c.c.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: name, Limit: new(int32(100))})
	if err != nil {
		return errors.Join(err, beside.Wait())
	}
	for _, v := range *listed.VersionMetadatas {
		values.Go(func() error {
			got, err := c.c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: name, VersionId: *v.Id})
			if err == nil && got.Version.SecretString == nil {
				err = errBare
			}
			return err
		})
	}
	return errors.Join(beside.Wait(), values.Wait())
}

func (c bareHuawei) load(_ context.Context, s *secret.Secret) error {
	name := string(s.Name)
	made, err := c.c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{
		Name: name, Description: textOrNil(s.Description), SecretString: new(string(s.Versions[0].Value.Reveal())),
	}})
	if err != nil {
		return err
	}
	for i := range s.Versions[1:] {
		v := &s.Versions[i+1]
		body := &model.CreateSecretVersionRequestBody{SecretString: new(string(v.Value.Reveal()))}
		if !v.Expires.IsZero() {
			body.ExpireTime = new(v.Expires.UnixMilli())
		}
		if _, err := c.c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: name, Body: body}); err != nil {
			return err
		}
	}
	return c.finish(s, *made.Secret.Id)
}

func (c bareHuawei) finish(s *secret.Secret, id string) error {
	name := string(s.Name)
	if first := &s.Versions[0]; !first.Expires.IsZero() {
		body := &model.UpdateVersionRequestBody{ExpireTime: first.Expires.UnixMilli()}
		if _, err := c.c.UpdateVersion(&model.UpdateVersionRequest{SecretName: name, VersionId: "v1", Body: body}); err != nil {
			return err
		}
	}
	if len(s.Tags) > 0 {
		body := &model.BatchCreateOrDeleteTagsRequestBody{Action: "create"}
		for k, v := range s.Tags {
			body.Tags = append(body.Tags, model.TagItem{Key: k, Value: &v})
		}
		if _, err := c.c.BatchCreateOrDeleteTags(&model.BatchCreateOrDeleteTagsRequest{SecretId: id, Body: body}); err != nil {
			return err
		}
	}
	for i := range s.Versions {
		for _, label := range s.Versions[i].Stages {
			body := &model.UpdateSecretStageRequestBody{VersionId: fmt.Sprint("v", i+1)}
			if _, err := c.c.UpdateSecretStage(&model.UpdateSecretStageRequest{SecretName: name, StageName: label, Body: body}); err != nil {
				return err
			}
		}
	}
	return nil
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
