package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/hashicorp/vault/api"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// onlooker is a product as its own tools see it.
type onlooker struct {
	// look may change the secret once it has seen it as it was.
	look func(ctx context.Context, name string) (*sight, error)
	// roles are the losses of the two roles.
	roles func(*view) []string
}

// onlookers open an empty store of a product, and a client of the vendor's for
// the same place that shares nothing with our backend.
var onlookers = map[string]func(*testing.T) (backends.Backend, onlooker){
	"hashivault": func(t *testing.T) (backends.Backend, onlooker) {
		server := vaulttest.Shared(t)
		mount := server.NewMount(t)
		eyes := vaultEyes{server.Client(t, vaulttest.RootToken).KVv2(mount)}
		return openVault(t, server, mount, "ours"), onlooker{eyes.look, rolesAndNumbersOfVault}
	},
	"hashivault1": func(t *testing.T) (backends.Backend, onlooker) {
		server := vaulttest.Shared(t)
		mount := server.NewMountV1(t)
		eyes := vault1Eyes{server.Client(t, vaulttest.RootToken).KVv1(mount)}
		return openVault(t, server, mount, "ours"), onlooker{eyes.look, rolesOfVault}
	},
	"azurekv": func(t *testing.T) (backends.Backend, onlooker) {
		cloud := newCloud(t)
		bare, ok := newAzure(t, cloud, "cloud").(azureClient)
		if !ok {
			t.Fatal("no client of Azure")
		}
		return open(t, azurekv.Driver, "ours", overCloud(t, cloud)), onlooker{azureEyes(bare).look, rolesOfAzure}
	},
	"huaweicsms": func(t *testing.T) (backends.Backend, onlooker) {
		cloud := newCloud(t)
		bare, ok := newHuawei(t, cloud, "cloud").(huaweiClient)
		if !ok {
			t.Fatal("no client of Huawei Cloud")
		}
		return open(t, huaweicsms.Driver, "ours", overCSMS(t, cloud)), onlooker{huaweiEyes(bare).look, rolesOfHuawei}
	},
}

// ofVault sets what a value in Vault can be taken for: its members and, of one
// alone under the field that is ours by default, the text.
func (n *seenVersion) ofVault(data map[string]any) {
	n.fields = data
	if s, ok := data["value"].(string); ok && len(data) == 1 {
		n.text = &s
	}
}

type vaultEyes struct{ kv *api.KVv2 }

func (e vaultEyes) look(ctx context.Context, name string) (*sight, error) {
	m, err := e.kv.GetMetadata(ctx, name)
	if err != nil {
		return nil, err
	}
	out := &sight{current: strconv.Itoa(m.CurrentVersion)}
	for id, v := range m.Versions {
		if v.Destroyed {
			continue
		}
		got, err := e.kv.GetVersion(ctx, name, v.Version)
		if err != nil {
			return nil, err
		}
		n := seenVersion{id: id, created: v.CreatedTime} // a version has no time of a change
		n.ofVault(got.Data)
		out.versions = append(out.versions, n)
	}
	return out, nil
}

type vault1Eyes struct{ kv *api.KVv1 }

// look: there is one version, and it is what everybody reads.
func (e vault1Eyes) look(ctx context.Context, name string) (*sight, error) {
	got, err := e.kv.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	n := seenVersion{id: "1"}
	n.ofVault(got.Data)
	return &sight{versions: []seenVersion{n}, current: "1"}, nil
}

type azureEyes struct{ c *azsecrets.Client }

func (e azureEyes) look(ctx context.Context, name string) (*sight, error) {
	out := &sight{}
	for pager := e.c.NewListSecretPropertiesVersionsPager(name, nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Value {
			n := seenVersion{id: p.ID.Version(), created: *p.Attributes.Created, updated: *p.Attributes.Updated}
			if err := e.read(ctx, name, &n); err != nil {
				return nil, err
			}
			out.versions = append(out.versions, n)
		}
	}
	now, err := e.c.GetSecret(ctx, name, "", nil)
	if err != nil {
		return nil, err
	}
	out.current = now.ID.Version()
	return out, nil
}

// read enables a version whose value is refused, for only then can it be seen
// of which form that is.
func (e azureEyes) read(ctx context.Context, name string, n *seenVersion) error {
	got, err := e.c.GetSecret(ctx, name, n.id, nil)
	var refused *azcore.ResponseError
	if errors.As(err, &refused) && refused.StatusCode == http.StatusForbidden {
		n.closed = true
		enable := azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: new(true)}}
		if _, err := e.c.UpdateSecretProperties(ctx, name, n.id, enable, nil); err != nil {
			return err
		}
		got, err = e.c.GetSecret(ctx, name, n.id, nil)
	}
	n.text = got.Value
	return err
}

type huaweiEyes struct{ c *csms.CsmsClient }

func (e huaweiEyes) look(_ context.Context, name string) (*sight, error) {
	listed, err := e.c.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: name, Limit: new(int32(100))})
	if err != nil {
		return nil, err
	}
	out := &sight{}
	for _, m := range *listed.VersionMetadatas {
		n := seenVersion{id: *m.Id, created: time.UnixMilli(*m.CreateTime)} // a version has no time of a change
		if err := e.read(name, &n); err != nil {
			return nil, err
		}
		out.versions = append(out.versions, n)
		if slices.Contains(*m.VersionStages, "SYSCURRENT") {
			out.current = n.id
		}
		if slices.Contains(*m.VersionStages, "SYSPREVIOUS") {
			out.previous = n.id
		}
	}
	return out, nil
}

func (e huaweiEyes) read(name string, n *seenVersion) error {
	got, err := e.c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: name, VersionId: n.id})
	if err != nil {
		return err
	}
	n.text = got.Version.SecretString
	if b := got.Version.SecretBinary; b != nil {
		n.bytes, err = base64.StdEncoding.DecodeString(*b)
	}
	return err
}
