package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// hazards are those of the mapping between the products that show at the two
// wires, by the numbers of the wire reference's tables.
var hazards = map[string]func(*csmsSuite, *testing.T){
	"9.1-2 case collisions":         (*csmsSuite).caseCollisions,
	"9.1-6 number of versions":      (*csmsSuite).manyVersions,
	"9.1-7 9.2-6 value size":        (*csmsSuite).valueSize,
	"9.1-17 9.1-18 9.1-20 the rest": (*csmsSuite).recordedOnly,
	"9.1-19 blobs of others":        (*csmsSuite).foreignBlobs,
	"9.1-22 empty value":            (*csmsSuite).emptyValue,
	"9.2-1 9.2-16 paths and levels": (*csmsSuite).paths,
	"9.2-13 no cas":                 (*csmsSuite).noCas,
	"9.2-17 times":                  (*csmsSuite).times,
}

// hazardsBeside are those that show in a product, and are tested beside it.
var hazardsBeside = map[string][]int{
	"9.1": {1, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 21}, // azurekv
	"9.2": {2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 14, 15},          // hashivault
}

// TestHazards takes the hazards one by one, over each product.
func TestHazards(t *testing.T) {
	t.Parallel()
	for kind, open := range products {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := &csmsSuite{kind: kind, store: "one", gateway: gatewaytest.New(t, gatewaytest.Options{
				Stores: []gateway.Store{{Name: "one", Kind: kind, Backend: open(t, "one"), Concurrency: 64}},
			})}
			for name, hazard := range hazards {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					hazard(s, t)
				})
			}
		})
	}
}

// TestHazardsAreNamed: every hazard of both tables is tested, and once: here or
// in the tests of the products, which hold their own to the same numbers.
func TestHazardsAreNamed(t *testing.T) {
	t.Parallel()
	named := map[string]int{}
	for table, numbers := range hazardsBeside {
		for _, n := range numbers {
			named[fmt.Sprintf("%s-%d", table, n)]++
		}
	}
	for name := range hazards {
		for _, word := range strings.Fields(name) {
			if strings.HasPrefix(word, "9.") {
				named[word]++
			}
		}
	}
	total := 0
	for table, last := range map[string]int{"9.1": 22, "9.2": 17} {
		total += last
		for n := 1; n <= last; n++ {
			if number := fmt.Sprintf("%s-%d", table, n); named[number] != 1 {
				t.Errorf("%s is named %d times", number, named[number])
			}
		}
	}
	if len(named) != total {
		t.Errorf("%d hazards are named of %d", len(named), total)
	}
}

func (s *csmsSuite) azure(t *testing.T) *azsecrets.Client {
	t.Helper()
	c, ok := newAzure(t, s.gateway, s.store).(azureClient)
	if !ok {
		t.Fatal("no client")
	}
	return c.c
}

func (s *csmsSuite) caseCollisions(t *testing.T) {
	c, az := s.client(t, s.store), s.azure(t)
	c.create("Twin", "upper")
	c.create("twin", "lower")
	c.wantValue("Twin", "latest", "upper")
	c.wantValue("twin", "latest", "lower")
	if v := got(az.GetSecret(t.Context(), "TWIN", "", nil))(t); *v.Value != "lower" {
		t.Error("Key Vault's clients, who mind no case, get the other twin")
	}
}

func (s *csmsSuite) manyVersions(t *testing.T) {
	c, az := s.client(t, s.store), s.azure(t)
	const n = 30
	for i := range n {
		got(az.SetSecret(t.Context(), "many-versions", azsecrets.SetSecretParameters{Value: new(fmt.Sprint(i + 1))}, nil))(t)
	}
	if s.kind == "huaweicsms" { // the product itself keeps twenty
		if have := c.versions("many-versions"); len(have) != 20 || have[0] != "v11" {
			t.Errorf("of %d versions %v are listed", n, have)
		}
		return
	}
	if have := c.versions("many-versions"); len(have) != n { // what CSMS's clients did not make is not recycled for them
		t.Errorf("%d of %d versions are listed", len(have), n)
	}
	c.wantValue("many-versions", "v1", "1")
	c.add("many-versions", "31")
	if have := c.versions("many-versions"); len(have) != n || have[0] != "v2" {
		t.Errorf("one more recycles other than one: %d, first %s", len(have), have[0])
	}
	pages := 0
	for p := az.NewListSecretPropertiesVersionsPager("many-versions", nil); p.More(); {
		pages += len(got(p.NextPage(t.Context()))(t).Value)
	}
	if pages != n+1 {
		t.Errorf("Key Vault's clients see %d of %d versions", pages, n+1)
	}
}

func (s *csmsSuite) valueSize(t *testing.T) {
	c, az := s.client(t, s.store), s.azure(t)
	long := strings.Repeat("v", 32768)
	_, err := c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "value-size", SecretString: &long}})
	if s.kind == "azurekv" { // never cut, never split
		refused(t, "32 KiB into Key Vault", err, 400, "CSMS.0002")
		_, err = c.ShowSecret(&model.ShowSecretRequest{SecretName: "value-size"})
		refused(t, "and nothing of it", err, 404, "CSMS.0106")
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if v := got(az.GetSecret(t.Context(), "value-size", "", nil))(t); *v.Value != long {
		t.Error("what CSMS holds and Key Vault would not is cut")
	}
}

// recordedOnly: keys and enterprise projects are facts to keep; another type,
// or a rotation, would be a promise, and is refused.
func (s *csmsSuite) recordedOnly(t *testing.T) {
	c := s.client(t, s.store)
	const key = "b168fe00-ff56-4924-95a7-d22974df2d0b"
	made := got(c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{
		Name: "recorded", SecretString: new("x"), KmsKeyId: new(key), EnterpriseProjectId: new("prod"),
	}}))(t).Secret
	if *made.KmsKeyId != key || *made.EnterpriseProjectId != "prod" || made.SecretType.Value() != "COMMON" {
		t.Errorf("created: %v", made)
	}
	rotated := model.GetCreateSecretRequestBodySecretTypeEnum().RDS_FG
	_, err := c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "rotated", SecretString: new("x"), SecretType: &rotated}})
	refused(t, "another type", err, 400, "CSMS.0002")
	_, err = c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "rotated", SecretString: new("x"), AutoRotation: new(true), RotationPeriod: new("6h")}})
	refused(t, "a rotation", err, 400, "CSMS.0002")
}

func (s *csmsSuite) foreignBlobs(t *testing.T) {
	c := s.client(t, s.store)
	for _, blob := range []string{")CloudSecretManagementBackupV1.comeyJraWQi.a.b.c.d", "KUF6dXJlS2V5VmF1bHRTZWNyZXRCYWNrdXBWMS5taWNyb3NvZnQuY29tZXlKcmFXUWk"} {
		_, err := c.UploadSecretBlob(&model.UploadSecretBlobRequest{Body: &model.UploadSecretBlobRequestBody{SecretBlob: blob}})
		refused(t, "a real cloud's backup", err, 400, "CSMS.0002")
		if err != nil && !strings.Contains(err.Error(), "which alone can restore it") {
			t.Errorf("the refusal does not say whose it is: %v", err)
		}
	}
}

func (s *csmsSuite) emptyValue(t *testing.T) {
	c, az := s.client(t, s.store), s.azure(t)
	c.create("empty-value", "")
	c.wantValue("empty-value", "latest", "")
	if v := got(az.GetSecret(t.Context(), "empty-value", "", nil))(t); *v.Value != "" {
		t.Error("an empty value is another one")
	}
}

// paths: a name that no CSMS name can be is shown as its one escape, which
// leads back to it.
func (s *csmsSuite) paths(t *testing.T) {
	c := s.client(t, s.store)
	for _, name := range []secret.Name{"team/db/password", "team/db", "team.db.password", "x0-c5h66", "x0-ehinao1f"} {
		got(s.gateway.Service.Put(t.Context(), tester, gateway.Ref{Store: s.store, Name: name}, secret.Draft{Value: secret.TextValue(string(name))}))(t)
	}
	values := map[string]bool{}
	for marker := (*string)(nil); ; {
		page := got(c.ListSecrets(&model.ListSecretsRequest{Limit: new("4"), Marker: marker}))(t)
		for _, x := range *page.Secrets {
			if value, err := c.read(*x.Name, "latest"); err == nil {
				values[value] = true
			}
		}
		if marker = page.PageInfo.NextMarker; marker == nil {
			break
		}
	}
	for _, name := range []string{"team/db/password", "team/db", "team.db.password", "x0-c5h66", "x0-ehinao1f"} {
		if !values[name] {
			t.Errorf("%s is not listed, or its escape leads elsewhere", name)
		}
	}
}

// noCas: CSMS has no conditional write, so the gateway lets writers of one
// secret wait for each other: no version is lost, and each has its number.
func (s *csmsSuite) noCas(t *testing.T) {
	c := s.client(t, s.store)
	c.create("no-cas", "0")
	const writers = 8
	ids := make(chan string, writers)
	for i := range writers {
		go func() {
			out, err := c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: "no-cas", Body: &model.CreateSecretVersionRequestBody{SecretString: new(fmt.Sprint(i))}})
			if err != nil {
				ids <- err.Error()
				return
			}
			ids <- *out.VersionMetadata.Id
		}()
	}
	var all []string
	for range writers {
		all = append(all, <-ids)
	}
	slices.Sort(all)
	if !slices.Equal(all, []string{"v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9"}) {
		t.Errorf("versions of %d writers: %v", writers, all)
	}
	if n := len(c.versions("no-cas")); n != writers+1 { // their times rise, too
		t.Errorf("%d versions stand", n)
	}
}

// times are whole milliseconds, whatever finer ones a product has, and the
// same in every answer.
func (s *csmsSuite) times(t *testing.T) {
	c, az := s.client(t, s.store), s.azure(t)
	made := c.create("times", "1")
	set := got(az.SetSecret(t.Context(), "times", azsecrets.SetSecretParameters{Value: new("2")}, nil))(t)
	list := *got(c.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: "times"}))(t).VersionMetadatas
	for i, v := range list {
		one := got(c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: "times", VersionId: *v.Id}))(t).Version.VersionMetadata
		if *one.CreateTime != *v.CreateTime || i > 0 && *v.CreateTime <= *list[i-1].CreateTime {
			t.Errorf("%s: %d in the list, %d by itself", *v.Id, *v.CreateTime, *one.CreateTime)
		}
	}
	if *made.CreateTime != *list[0].CreateTime || set.Attributes.Created.Unix() != *list[1].CreateTime/1000 {
		t.Error("the two dialects tell different times")
	}
}
