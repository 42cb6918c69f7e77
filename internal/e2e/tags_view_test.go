package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// tagged is one secret, seen by both vendors' clients.
type tagged struct {
	t     *testing.T
	g     *gatewaytest.Gateway
	store string
	name  string
	az    *azsecrets.Client
	hw    csmsClient
}

func newTagged(t *testing.T, g *gatewaytest.Gateway, store, name string) *tagged {
	t.Helper()
	az, isAzure := newAzure(t, g, store).(azureClient)
	hw, isHuawei := newHuawei(t, g, store).(huaweiClient)
	if !isAzure || !isHuawei {
		t.Fatal("no clients")
	}
	return &tagged{t, g, store, name, az.c, csmsClient{hw.c, t}}
}

// without and empty are what tellTags says of being without, and of an empty set.
const without, empty = "without", "{}"

func tellTags(tags map[string]string) string {
	if tags == nil {
		return without
	}
	var all []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		all = append(all, k+"="+tags[k])
	}
	if all == nil {
		return empty
	}
	return strings.Join(all, " ")
}

// readTags is the inverse of tellTags.
func readTags(s string) map[string]string {
	if s == without {
		return nil
	}
	tags := map[string]string{}
	for _, pair := range strings.Fields(strings.TrimPrefix(s, empty)) {
		k, v, _ := strings.Cut(pair, "=")
		tags[k] = v
	}
	return tags
}

func plainTags(tags map[string]*string) map[string]string {
	if tags == nil {
		return nil
	}
	out := map[string]string{}
	for k, v := range tags {
		out[k] = *v
	}
	return out
}

func wireTags(s string) map[string]*string {
	tags := readTags(s)
	if tags == nil {
		return nil
	}
	out := map[string]*string{}
	for k, v := range tags {
		out[k] = &v
	}
	return out
}

// set is Azure's PUT; it returns the version.
func (x *tagged) set(tags string) string {
	x.t.Helper()
	out := got(x.az.SetSecret(x.t.Context(), x.name, azsecrets.SetSecretParameters{Value: new("v"), Tags: wireTags(tags)}, nil))(x.t)
	if have := tellTags(plainTags(out.Tags)); tags != without && have != tags {
		x.t.Errorf("the answer of a PUT with %s shows %s", tags, have)
	}
	return out.ID.Version()
}

// patch is Azure's PATCH of a version, "" for the current.
func (x *tagged) patch(version string, p azsecrets.UpdateSecretPropertiesParameters) {
	x.t.Helper()
	got(x.az.UpdateSecretProperties(x.t.Context(), x.name, version, p, nil))(x.t)
}

// tag and untag are Huawei's.
func (x *tagged) tag(tags string)   { x.t.Helper(); x.change("create", tags) }
func (x *tagged) untag(tags string) { x.t.Helper(); x.change("delete", tags) }

func (x *tagged) id() string { x.t.Helper(); return *x.hw.show(x.name).Id }

func (x *tagged) change(action, tags string) {
	x.t.Helper()
	body := &model.BatchCreateOrDeleteTagsRequestBody{Action: action}
	for k, v := range readTags(tags) {
		body.Tags = append(body.Tags, model.TagItem{Key: k, Value: &v})
	}
	got(x.hw.BatchCreateOrDeleteTags(&model.BatchCreateOrDeleteTagsRequest{SecretId: x.id(), Body: body}))(x.t)
}

// wantHuawei is of the secret.
func (x *tagged) wantHuawei(want string) {
	x.t.Helper()
	have := map[string]string{}
	for _, t := range *got(x.hw.ListSecretTags(&model.ListSecretTagsRequest{SecretId: x.id()}))(x.t).Tags {
		have[t.Key] = *t.Value
	}
	if tellTags(have) != want {
		x.t.Errorf("CSMS's clients see %s, want %s", tellTags(have), want)
	}
}

// wantAzure is of a version, "" for the current one, which the list shows too.
func (x *tagged) wantAzure(version, want string) {
	x.t.Helper()
	out := got(x.az.GetSecret(x.t.Context(), x.name, version, nil))(x.t)
	if have := tellTags(plainTags(out.Tags)); have != want {
		x.t.Errorf("Key Vault's clients see %s of version %q, want %s", have, version, want)
	}
	found := func(p *azsecrets.SecretProperties) {
		if have := tellTags(plainTags(p.Tags)); p.ID.Name() == x.name && (p.ID.Version() == "" || p.ID.Version() == out.ID.Version()) && have != want {
			x.t.Errorf("a list shows %s of version %q, want %s", have, version, want)
		}
	}
	for p := x.az.NewListSecretPropertiesPager(nil); version == "" && p.More(); {
		for _, s := range got(p.NextPage(x.t.Context()))(x.t).Value {
			found(s)
		}
	}
	for p := x.az.NewListSecretPropertiesVersionsPager(x.name, nil); p.More(); {
		for _, s := range got(p.NextPage(x.t.Context()))(x.t).Value {
			found(s)
		}
	}
}

// wantOwn is what a backup holds: of the secret, and of its versions.
func (x *tagged) wantOwn(ofSecret string, ofVersions ...string) {
	x.t.Helper()
	s := opened(x.t, x.g, x.store, secret.Name(x.name))
	have, want := []string{tellTags(s.Tags)}, append([]string{ofSecret}, ofVersions...)
	for i := range s.Versions {
		have = append(have, tellTags(s.Versions[i].Tags))
	}
	if !slices.Equal(have, want) {
		x.t.Errorf("own tags of the secret and its versions are %q, want %q", have, want)
	}
}

// opened is the document of a backup.
func opened(t *testing.T, g *gatewaytest.Gateway, store string, name secret.Name) *secret.Secret {
	t.Helper()
	blob := got(g.Service.Backup(t.Context(), tester, gateway.Ref{Store: store, Name: name}))(t)
	return got(g.Keyring.Open(blob))(t).Secret
}

// tagParts run at once, each with a secret of its own.
var tagParts = map[string]func(*tagged){
	"azure-first": func(x *tagged) {
		one := x.set("a=1")
		x.wantHuawei("a=1")
		x.tag("b=2")
		x.wantHuawei("a=1 b=2")
		x.wantAzure(one, "a=1")
		x.wantOwn("a=1 b=2", "a=1")
		x.set(without)
		x.wantAzure("", "a=1 b=2")
		x.wantAzure(one, "a=1")
		x.wantOwn("a=1 b=2", "a=1", without)
	},
	"huawei-first": func(x *tagged) {
		x.hw.create(x.name, "v")
		x.wantAzure("", without)
		x.tag("team=red")
		x.wantAzure("", "team=red")
		x.patch("", azsecrets.UpdateSecretPropertiesParameters{ContentType: new("text/plain")})
		x.wantOwn("team=red", without) // a PATCH without tags copies none
		x.patch("", azsecrets.UpdateSecretPropertiesParameters{Tags: wireTags("own=1")})
		x.wantAzure("", "own=1")
		x.wantHuawei("team=red")
		x.wantOwn("team=red", "own=1")
		x.hw.add(x.name, "v2")
		x.wantAzure("", "team=red")
		x.wantOwn("team=red", "own=1", without)
	},
	"nothing-to-delete": func(x *tagged) {
		x.set("a=1")
		x.untag("b=2")
		x.wantHuawei("a=1")
		x.wantOwn(without, "a=1")
	},
	"set-to-what-is-shown": func(x *tagged) {
		x.set("a=1")
		x.tag("a=1") // it is the secret's from now on
		x.set(without)
		x.wantAzure("", "a=1")
		x.wantOwn("a=1", "a=1", without)
	},
	"cleared": func(x *tagged) {
		one := x.set("a=1")
		x.tag("b=2")
		x.patch(one, azsecrets.UpdateSecretPropertiesParameters{Tags: wireTags(empty)})
		x.wantAzure(one, empty)
		x.wantHuawei("a=1 b=2")
		x.wantOwn("a=1 b=2", empty)
		x.untag("a=1 b=2")
		x.wantHuawei(empty)
		x.set(without)
		x.wantAzure("", empty)
		x.wantOwn(empty, empty, without)
		x.set("c=3")
		x.wantHuawei(empty) // an empty set of the secret is a set
		x.set(empty)
		x.wantAzure("", empty)
		x.tag("d=4")
		x.wantAzure("", empty)
		x.set(without)
		x.wantAzure("", "d=4")
		x.wantOwn("d=4", empty, without, "c=3", empty, without)
	},
	"terraform-deletes-all": func(x *tagged) {
		one := x.set("a=1 b=2")
		got(x.hw.DeleteSecretTag(&model.DeleteSecretTagRequest{SecretId: x.id(), Key: "a"}))(x.t)
		x.wantHuawei("b=2")
		x.untag("b=2")
		x.wantHuawei(empty)
		x.wantAzure(one, "a=1 b=2")
		x.wantOwn(empty, "a=1 b=2")
		_, err := x.hw.DeleteSecretTag(&model.DeleteSecretTagRequest{SecretId: x.id(), Key: "b"})
		refused(x.t, "a tag that is not shown", err, 404, "CSMS.0005")
	},
	"current-moves": func(x *tagged) {
		x.set("a=1")
		x.set("b=2")
		x.wantHuawei("b=2")
		if err := x.hw.move(x.name, "SYSCURRENT", "v1"); err != nil {
			x.t.Fatal(err)
		}
		x.wantHuawei("a=1")
		x.wantAzure("", "a=1")
		x.tag("c=3")
		if err := x.hw.move(x.name, "SYSCURRENT", "v2"); err != nil {
			x.t.Fatal(err)
		}
		x.wantHuawei("a=1 c=3")
		x.wantAzure("", "b=2")
		x.wantOwn("a=1 c=3", "a=1", "b=2")
	},
	"filters": func(x *tagged) {
		x.set("in-a-version=yes")
		body := &model.ListResourceInstancesRequestBody{Action: "filter", Tags: &[]model.Tag{{Key: new("in-a-version"), Values: &[]string{"yes"}}}}
		find := func() string {
			out := got(x.hw.ListResourceInstances(&model.ListResourceInstancesRequest{ResourceInstances: "resource_instances", Body: body}))(x.t)
			var all []string
			for _, r := range *out.Resources {
				all = append(all, fmt.Sprint(*r.ResourceName, *r.Tags))
			}
			return strings.Join(all, " ")
		}
		if have := find(); !strings.HasPrefix(have, x.name) {
			x.t.Errorf("by a tag of its current version is found: %q", have)
		}
		ofProject := fmt.Sprint(*got(x.hw.ListProjectSecretsTags(&model.ListProjectSecretsTagsRequest{}))(x.t).Tags)
		if !strings.Contains(ofProject, "in-a-version") {
			x.t.Errorf("the tags of the project are %s", ofProject)
		}
		x.untag("in-a-version=yes")
		if have := find(); have != "" {
			x.t.Errorf("by a tag that is hidden is found: %q", have)
		}
	},
	"deleted": func(x *tagged) {
		x.hw.create(x.name, "v")
		x.tag("a=1")
		got(x.az.DeleteSecret(x.t.Context(), x.name, nil))(x.t)
		x.wantHuawei("a=1")
		if have := tellTags(plainTags(got(x.az.GetDeletedSecret(x.t.Context(), x.name, nil))(x.t).Tags)); have != "a=1" {
			x.t.Errorf("in the trash Key Vault's clients see %s", have)
		}
		got(x.az.RecoverDeletedSecret(x.t.Context(), x.name, nil))(x.t)
		x.wantAzure("", "a=1")
		x.wantOwn("a=1", without)
	},
}

// TestTagsOverProducts: a tag that one vendor's client sets is seen by the
// other's, over every product, and backups know own tags alone.
func TestTagsOverProducts(t *testing.T) {
	t.Parallel()
	for kind, open := range products {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "one", Kind: kind, Backend: open(t, "one"), Concurrency: 64}}})
			for name, part := range tagParts {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					part(newTagged(t, g, "one", name))
				})
			}
		})
	}
}
