package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// csmsSuite drives a store of one product through the vendor's Go client.
type csmsSuite struct {
	kind         string
	most         int // versions of a secret that the product holds
	gateway      *gatewaytest.Gateway
	store, other string
	fresh        *csmsSuite // another gateway over the same stores
}

// csmsParts run at once, each under names of its own.
var csmsParts = map[string]func(*csmsSuite, *testing.T){
	"life":      (*csmsSuite).life,
	"stages":    (*csmsSuite).stages,
	"recycling": (*csmsSuite).recycling,
	"no room":   (*csmsSuite).noRoom,
	"schedule":  (*csmsSuite).schedule,
	"tags":      (*csmsSuite).tags,
	"batches":   (*csmsSuite).batches,
	"limits":    (*csmsSuite).limits,
	"events":    (*csmsSuite).subscriptions,
	"dialects":  (*csmsSuite).acrossDialects,
	"unserved":  (*csmsSuite).unserved,
}

// TestCSMSOverProducts is every operation of the vendor's SDK, over every
// product.
func TestCSMSOverProducts(t *testing.T) {
	t.Parallel()
	for kind, open := range products {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var stores []gateway.Store
			for _, name := range []string{"one", "two"} {
				stores = append(stores, gateway.Store{Name: name, Kind: kind, Backend: open(t, name), Concurrency: 64, OnLoss: gateway.LossAccept})
			}
			keys := gatewaytest.NewKeyring(t)
			open := func(fresh *csmsSuite) *csmsSuite {
				g := gatewaytest.New(t, gatewaytest.Options{Stores: stores, MaxBlobs: 16, Keyring: keys})
				most := cmp.Or(stores[0].Backend.Capabilities().MaxVersions, 1000)
				return &csmsSuite{kind: kind, most: most, gateway: g, store: "one", other: "two", fresh: fresh}
			}
			s := open(open(nil))
			for name, part := range csmsParts {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					part(s, t)
				})
			}
		})
	}
}

// csmsClient is the vendor's client in fewer words.
type csmsClient struct {
	*csms.CsmsClient
	t *testing.T
}

func (s *csmsSuite) client(t *testing.T, store string) csmsClient {
	t.Helper()
	c, ok := newHuawei(t, s.gateway, store).(huaweiClient)
	if !ok {
		t.Fatal("no client")
	}
	return csmsClient{c.c, t}
}

// got is a success, or the end of the test.
func got[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (c csmsClient) create(name, value string) *model.Secret {
	c.t.Helper()
	return got(c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: name, SecretString: &value}}))(c.t).Secret
}

func (c csmsClient) add(name, value string, stages ...string) string {
	c.t.Helper()
	body := &model.CreateSecretVersionRequestBody{SecretString: &value}
	if len(stages) > 0 {
		body.VersionStages = &stages
	}
	return *got(c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: name, Body: body}))(c.t).VersionMetadata.Id
}

func (c csmsClient) show(name string) *model.Secret {
	c.t.Helper()
	return got(c.ShowSecret(&model.ShowSecretRequest{SecretName: name}))(c.t).Secret
}

func (c csmsClient) read(name, id string) (string, error) {
	out, err := c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: name, VersionId: id})
	if err != nil {
		return "", err
	}
	if out.Version.SecretBinary != nil {
		return "binary:" + *out.Version.SecretBinary, nil
	}
	return *out.Version.SecretString, nil
}

func (c csmsClient) wantValue(name, id, want string) {
	c.t.Helper()
	if value, err := c.read(name, id); err != nil || value != want {
		c.t.Errorf("%s of %s: %q, %v, want %q", id, name, value, err, want)
	}
}

// versions are the ids with their labels: "v1 SYSCURRENT blue". Their times
// must rise.
func (c csmsClient) versions(name string) []string {
	c.t.Helper()
	var all []string
	var last int64
	for marker := (*string)(nil); ; {
		page := got(c.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: name, Marker: marker, Limit: new(int32(7))}))(c.t)
		for _, v := range *page.VersionMetadatas {
			if *v.CreateTime <= last {
				c.t.Errorf("create_time of %s does not rise", *v.Id)
			}
			last = *v.CreateTime
			all = append(all, strings.Join(append([]string{*v.Id}, *v.VersionStages...), " "))
		}
		if marker = page.PageInfo.NextMarker; marker == nil {
			return all
		}
	}
}

func (c csmsClient) wantVersions(name string, want ...string) {
	c.t.Helper()
	if have := c.versions(name); !slices.Equal(have, want) {
		c.t.Errorf("versions of %s: %v, want %v", name, have, want)
	}
}

func (c csmsClient) move(name, stage, id string) error {
	out, err := c.UpdateSecretStage(&model.UpdateSecretStageRequest{SecretName: name, StageName: stage, Body: &model.UpdateSecretStageRequestBody{VersionId: id}})
	if err == nil && (*out.Stage.Name != stage || *out.Stage.VersionId != id || *out.Stage.SecretName != name || *out.Stage.UpdateTime < 1e12) {
		err = fmt.Errorf("the answer is of %s at %s", *out.Stage.Name, *out.Stage.VersionId)
	}
	return err
}

// refused wants the SDK's typed error, with a request id.
func refused(t *testing.T, what string, err error, status int, code string) {
	t.Helper()
	var e *sdkerr.ServiceResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code || e.RequestId == "" {
		t.Errorf("%s: got %v, want %d %s", what, err, status, code)
	}
}
