package huaweicsms

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// native is the vendor's client alone, as other programs have it.
func native(t *testing.T, g *gatewaytest.Gateway) *csms.CsmsClient {
	t.Helper()
	transport, ok := g.Client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("no transport")
	}
	credential, err := basic.NewCredentialsBuilder().WithAk(g.AccessKey).WithSk(g.SecretKey).WithProjectId(gatewaytest.Project("main")).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	hc, err := csms.CsmsClientBuilder().WithEndpoint(g.Endpoint()).WithCredential(credential).
		WithHttpConfig(config.DefaultHttpConfig().WithHttpTransport(transport)).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	return csms.NewCsmsClient(hc)
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestNativeView: native tools read natural values, roles, labels, tags and
// ends, and people's text first.
func TestNativeView(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	b, sdk := open(t, g), native(t, g)
	s := backendtest.Sample("Sample_1")
	if _, err := b.Import(t.Context(), s, ""); err != nil {
		t.Fatal(err)
	}
	secretOf := must(sdk.ShowSecret(&model.ShowSecretRequest{SecretName: "Sample_1"}))(t).Secret
	if !strings.HasPrefix(*secretOf.Description, s.Description+" ") || *secretOf.State != "ENABLED" {
		t.Error("people's text does not come first")
	}
	stages := map[string]string{}
	for _, m := range *must(sdk.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: "Sample_1"}))(t).VersionMetadatas {
		stages[*m.Id] = strings.Join(*m.VersionStages, " ")
		if *m.Id == "v10" && *m.ExpireTime != s.Find(secret.ByOrdinal(12)).Expires.UnixMilli() {
			t.Error("the end of a version is not native")
		}
	}
	if stages["v10"] != "SYSCURRENT blue green" || stages["v9"] != "SYSPREVIOUS" || stages["v11"] != "pending" || stages["v1"] != "" || len(stages) != 11 {
		t.Errorf("the stages are %v", stages)
	}
	number := 0
	for i := range s.Versions {
		v := &s.Versions[i]
		if v.Missing != "" {
			continue
		}
		number++
		got := must(sdk.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: "Sample_1", VersionId: fmt.Sprint("v", number)}))(t).Version
		text, binary := members(v.Value)
		if (text == nil) != (got.SecretString == nil) || text != nil && *text != *got.SecretString || binary != nil && *binary != *got.SecretBinary {
			t.Errorf("version %d does not read natively as it is", v.Ordinal)
		}
	}
	tags := map[string]string{}
	for _, x := range *must(sdk.ListSecretTags(&model.ListSecretTagsRequest{SecretId: *secretOf.Id}))(t).Tags {
		tags[x.Key] = *x.Value
	}
	if tags["team"] != "payments" || tags["empty"] != "" || len(tags) != 3 || !strings.HasPrefix(tags["größe"], "b64.") {
		t.Errorf("the tags are %v", tags)
	}
}

// TestPlainIsBare: what the product can say itself leaves no trace of us.
func TestPlainIsBare(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	b, sdk := open(t, g), native(t, g)
	at := time.Date(2044, 1, 2, 3, 4, 5, 0, time.UTC)
	put(t, b, "s", secret.Draft{
		Value: secret.TextValue("1"), Expires: at, Stages: []string{"blue"},
		OfSecret: &secret.Attributes{Description: "people's", Tags: map[string]string{"a": "b"}},
	})
	put(t, b, "s", secret.Draft{Value: secret.BinaryValue([]byte{0, 255})})
	put(t, b, "s", secret.Draft{Value: secret.TextValue("3"), KeepCurrent: true})
	if got := *must(sdk.ShowSecret(&model.ShowSecretRequest{SecretName: "s"}))(t).Secret.Description; got != "people's" {
		t.Errorf("the description is %q", got)
	}
	var all []string
	for _, m := range *must(sdk.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: "s"}))(t).VersionMetadatas {
		all = append(all, strings.Join(append([]string{*m.Id}, *m.VersionStages...), " "))
	}
	if want := []string{"v1 SYSPREVIOUS blue", "v2 SYSCURRENT", "v3"}; !slices.Equal(all, want) {
		t.Errorf("the versions are %q, want %q", all, want)
	}
}

// TestForeign: what native tools made and change reads well, and our own
// attributes survive beside it.
func TestForeign(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	b, sdk := open(t, g), native(t, g)
	must(sdk.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "n.1", SecretString: new("one"), Description: new("theirs")}}))(t)
	first := must(b.Describe(t.Context(), "n.1"))(t)
	if again := must(b.Describe(t.Context(), "n.1"))(t); again.Versions[0].UID != first.Versions[0].UID || first.Description != "theirs" || first.Current != 1 {
		t.Error("a native version has no lasting identity")
	}
	put(t, b, "n.1", secret.Draft{Value: secret.TextValue("two"), ContentType: "a/b", Disabled: true})
	must(sdk.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: "n.1", Body: &model.CreateSecretVersionRequestBody{SecretString: new("three"), VersionStages: &[]string{"blue"}}}))(t)
	must(sdk.UpdateSecretStage(&model.UpdateSecretStageRequest{SecretName: "n.1", StageName: "SYSCURRENT", Body: &model.UpdateSecretStageRequestBody{VersionId: "v1"}}))(t)
	s := must(b.Export(t.Context(), "n.1"))(t)
	if v := s.Find(secret.ByOrdinal(2)); v.ContentType != "a/b" || !v.Disabled || string(v.Value.Reveal()) != "two" {
		t.Error("a native version takes attributes of another away")
	}
	if v := s.Find(secret.ByOrdinal(3)); v.ContentType != "" || v.Disabled || !slices.Equal(v.Stages, []string{"blue"}) || string(v.Value.Reveal()) != "three" {
		t.Error("a native version reads wrong")
	}
	if s.Current != 1 || s.Previous != 2 || s.Versions[0].UID != first.Versions[0].UID {
		t.Errorf("current %d, previous %d", s.Current, s.Previous)
	}
	// A description that lost its end: what only we knew is gone, and nothing else.
	must(sdk.UpdateSecret(&model.UpdateSecretRequest{SecretName: "n.1", Body: &model.UpdateSecretRequestBody{Description: new("only theirs")}}))(t)
	bare := must(b.Export(t.Context(), "n.1"))(t)
	if v := bare.Find(secret.ByOrdinal(2)); len(bare.Versions) != 3 || bare.Description != "only theirs" || v.ContentType != "" || v.Disabled || v.UID != s.Versions[1].UID {
		t.Error("without its trailer the secret is not what the product's facts say")
	}
}

// TestRecycled: the twenty-first version takes the place of the oldest without
// a label, and with it goes what the trailer said of that one.
func TestRecycled(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	b := open(t, g)
	for i := range 20 {
		d := secret.Draft{Value: secret.TextValue(fmt.Sprint(i)), ContentType: fmt.Sprint("type/", i)}
		if i == 0 {
			d.Stages = []string{"kept"}
		}
		put(t, b, "s", d)
	}
	v := put(t, b, "s", secret.Draft{Value: secret.TextValue("20"), ContentType: "type/20"})
	if v.Current != 21 || v.Previous != 20 {
		t.Errorf("current %d, previous %d", v.Current, v.Previous)
	}
	s := must(b.Export(t.Context(), "s"))(t)
	if len(s.Versions) != 20 || s.Versions[0].Ordinal != 1 || s.Versions[1].Ordinal != 3 {
		t.Fatalf("%d versions", len(s.Versions))
	}
	for i := range s.Versions {
		if v := &s.Versions[i]; v.ContentType != fmt.Sprint("type/", v.Ordinal-1) {
			t.Errorf("version %d has the type %q", v.Ordinal, v.ContentType)
		}
	}
	h := must(b.find(t.Context(), must(b.remote("s"))(t), nil))(t)
	put(t, b, "s", secret.Draft{Value: secret.TextValue("21"), ContentType: "type/21"})
	if after := must(b.find(t.Context(), must(b.remote("s"))(t), nil))(t); len(after.trailer.Versions) > len(h.trailer.Versions) {
		t.Error("the trailer keeps what it says of versions that are gone")
	}
}

// TestLongNames: a name too long for an escape is held under its hash, listed
// and read under itself.
func TestLongNames(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	b, sdk := open(t, g), native(t, g)
	long := secret.Name("folder/" + strings.Repeat("ü", 200))
	lookAlike := secret.Name(hashOf("x"))
	for _, n := range []secret.Name{long, lookAlike, statePrefix + "key", "short/one"} {
		put(t, b, n, secret.Draft{Value: secret.TextValue(string(n))})
		if got := must(b.Get(t.Context(), n, secret.Current))(t); string(got.Versions[0].Value.Reveal()) != string(n) {
			t.Errorf("%q shares its place", n)
		}
		if !isListed(t, b, n) {
			t.Errorf("%q is not listed", n)
		}
	}
	for _, n := range []string{hashOf("nobody"), statePrefix + "key"} { // a native secret, and one of a gateway's own
		must(sdk.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: n, SecretString: new("x")}}))(t)
		if isListed(t, b, secret.Name(n)) && n != statePrefix+"key" {
			t.Errorf("%q is listed", n)
		}
	}
	page := must(b.List(t.Context(), secret.Query{}))(t)
	if len(page.Secrets) != 4 {
		t.Errorf("%d secrets are listed, want 4", len(page.Secrets))
	}
	// A description that lost the name: found by whoever knows it, and mended
	// by the next write.
	must(sdk.UpdateSecret(&model.UpdateSecretRequest{SecretName: hashOf(long), Body: &model.UpdateSecretRequestBody{Description: new("theirs")}}))(t)
	if isListed(t, b, long) {
		t.Error("a name that nobody knows is listed")
	}
	put(t, b, long, secret.Draft{Value: secret.TextValue("again")})
	if got := must(b.Describe(t.Context(), long))(t); !isListed(t, b, long) || got.Current != 2 || got.Description != "theirs" {
		t.Error("the next write does not mend it")
	}
}

// TestPlan: an import of more than the product holds gives up what was
// foretold, and holds all the rest.
func TestPlan(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	b := open(t, g)
	for what, spoil := range map[string]func(*secret.Secret){
		"25 versions": func(s *secret.Secret) {
			s.Versions[0].Stages, s.Previous = []string{"first"}, 2
		},
		"large attributes": func(s *secret.Secret) {
			for i := range s.Versions {
				v := &s.Versions[i]
				v.Tags, v.ContentType = map[string]string{"k": secret.NewUID().String()}, secret.NewUID().String()
				v.NotBefore = v.Created
			}
		},
		"a long description": func(s *secret.Secret) { s.Description = strings.Repeat("d", 2048) },
		"labels": func(s *secret.Secret) {
			for i := range s.Versions {
				s.Versions[i].Stages = []string{fmt.Sprint("l", i)}
			}
			s.Versions[24].Stages = []string{"no label!", "blue"}
			s.Versions[23].Stages = []string{"vaultferry"}
		},
		"ends": func(s *secret.Secret) {
			s.Versions[20].Expires = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC)
			s.Versions[21].Expires = time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)
			s.Versions[22].Expires = time.Date(2286, 1, 1, 0, 0, 0, 1, time.UTC)
		},
		"tags":     func(s *secret.Secret) { s.Tags = manyTags(21) },
		"20 tags":  func(s *secret.Secret) { s.Tags = manyTags(20) },
		"no roles": func(s *secret.Secret) { s.Current, s.Previous = 0, 0 },
		"old role": func(s *secret.Secret) { s.Current, s.Previous = 3, 0 },
		"lost role": func(s *secret.Secret) {
			v := s.Find(secret.Current)
			v.Value, v.Missing = secret.Value{}, secret.Unreadable
		},
	} {
		s := history25(secret.Name(strings.ReplaceAll(what, " ", "-")))
		spoil(s)
		losses := b.Forecast(s)
		if secret.Worst(losses) < secret.Meaning {
			t.Errorf("%s: no loss is foretold", what)
		}
		if _, err := b.Import(t.Context(), s, ""); err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		got := must(b.Export(t.Context(), s.Name))(t)
		backendtest.Compare(t, s, got, losses)
		left := loss.Apply(s, losses)
		if len(left.Versions) != 20 {
			t.Errorf("%s: %d versions stand", what, len(left.Versions))
		}
		again := got.Clone()
		again.Name += "-again"
		if _, err := b.Import(t.Context(), again, ""); err != nil { // what it holds it can take again
			t.Errorf("%s, again: %v", what, err)
			continue
		}
		backendtest.Compare(t, again, must(b.Export(t.Context(), again.Name))(t), b.Forecast(again))
		if l := b.Forecast(again); secret.Worst(l) > secret.Trace {
			t.Errorf("%s: the second move loses more: %v", what, l)
		}
	}
}

func manyTags(n int) map[string]string {
	tags := map[string]string{}
	for i := range n {
		tags[fmt.Sprint("tag/", i)] = strings.Repeat("v", 180)
	}
	return tags
}

func history25(name secret.Name) *secret.Secret {
	start := time.Date(2024, 5, 6, 7, 8, 9, 123456789, time.UTC)
	s := &secret.Secret{Name: name, Description: "d", Created: start, Updated: start.Add(time.Hour), Current: 25, Previous: 24}
	for i := range 25 {
		at := start.Add(time.Duration(i) * 7 * time.Minute)
		s.Versions = append(s.Versions, secret.Version{
			Ordinal: secret.Ordinal(i + 1), UID: secret.NewUID(), Value: secret.TextValue(fmt.Sprint(name, i)), Created: at, Updated: at.Add(time.Second),
		})
	}
	return s
}
