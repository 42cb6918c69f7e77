package huawei_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/config"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/sdkerr"
	csms "github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
)

// TestMain gives the SDK a home folder of its own: it keeps an application id
// there.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "huawei")
	if err != nil {
		panic(err)
	}
	_ = os.Setenv("HOME", home)
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

func newClient(t testing.TB, g *gatewaytest.Gateway, store, sk string) *csms.CsmsClient {
	t.Helper()
	transport, ok := g.Client.Transport.(*http.Transport)
	if !ok {
		t.Fatal("the gateway's client has no *http.Transport")
	}
	cred, err := basic.NewCredentialsBuilder().WithAk(g.AccessKey).WithSk(sk).WithProjectId(gatewaytest.Project(store)).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	hc, err := csms.CsmsClientBuilder().WithEndpoint(g.Endpoint()).WithCredential(cred).
		WithHttpConfig(config.DefaultHttpConfig().WithHttpTransport(transport)).SafeBuild()
	if err != nil {
		t.Fatal(err)
	}
	return csms.NewCsmsClient(hc)
}

func twoStores(t testing.TB) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})},
		{Name: "b", Kind: "memory", Backend: memory.New(memory.Options{})},
	}})
}

func ptr[T any](v T) *T { return &v }

// TestSDK walks every operation with the vendor's client and types.
func TestSDK(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	a, b := newClient(t, g, "a", g.SecretKey), newClient(t, g, "b", g.SecretKey)

	created, err := a.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{
		Name: "Db.Pass_1", SecretString: ptr("first\nline <&> \u2028"), Description: ptr("main database"),
		KmsKeyId: ptr("b168fe00-ff56-4924-95a7-d22974df2d0b"),
	}})
	must(t, err)
	if s := created.Secret; *s.State != "ENABLED" || *s.Name != "Db.Pass_1" || *s.Description != "main database" ||
		*s.KmsKeyId != "b168fe00-ff56-4924-95a7-d22974df2d0b" || s.ScheduledDeleteTime != nil || len(*s.Id) != 36 ||
		*s.CreateTime < 1_000_000_000_000 || s.SecretType.Value() != "COMMON" {
		t.Fatalf("created: %v", s)
	}
	addVersions(t, a, "Db.Pass_1")
	checkHistory(t, a, "Db.Pass_1")

	blob, err := a.DownloadSecretBlob(&model.DownloadSecretBlobRequest{SecretName: "Db.Pass_1"})
	must(t, err)
	restored, err := b.UploadSecretBlob(&model.UploadSecretBlobRequest{Body: &model.UploadSecretBlobRequestBody{SecretBlob: *blob.SecretBlob}})
	must(t, err)
	if *restored.Secret.Name != "Db.Pass_1" || *restored.Secret.KmsKeyId != *created.Secret.KmsKeyId ||
		*restored.Secret.CreateTime != *created.Secret.CreateTime || *restored.Secret.Description != "main database" {
		t.Errorf("restored: %v", restored.Secret)
	}
	checkHistory(t, b, "Db.Pass_1")

	_, err = a.UploadSecretBlob(&model.UploadSecretBlobRequest{Body: &model.UploadSecretBlobRequestBody{SecretBlob: *blob.SecretBlob}})
	wantError(t, err, 400, "CSMS.0101")
	shown, err := b.ShowSecret(&model.ShowSecretRequest{SecretName: "Db.Pass_1"})
	must(t, err)
	if *shown.Secret.Id == *created.Secret.Id || *shown.Secret.Id != *restored.Secret.Id {
		t.Error("the id is not stable within a store, or the same in two")
	}
}

// addVersions makes v2 binary, v3 empty with an expiry and a label while v2
// stays current, v4 the usual way, and v5 as the previous one.
func addVersions(t *testing.T, c *csms.CsmsClient, name string) {
	t.Helper()
	for i, body := range []model.CreateSecretVersionRequestBody{
		{SecretBinary: ptr("/wD+gA==")},
		{SecretString: ptr(""), ExpireTime: ptr(int64(4102444800999)), VersionStages: &[]string{"green", "blue"}},
		{SecretString: ptr("fourth")},
		{SecretString: ptr("fifth"), VersionStages: &[]string{"SYSPREVIOUS", "blue"}},
	} {
		made, err := c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: name, Body: &body})
		must(t, err)
		if want := fmt.Sprintf("v%d", i+2); *made.VersionMetadata.Id != want || *made.VersionMetadata.SecretName != name {
			t.Errorf("made %s, want %s", *made.VersionMetadata.Id, want)
		}
	}
}

func checkHistory(t *testing.T, c *csms.CsmsClient, name string) {
	t.Helper()
	list, err := c.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: name})
	must(t, err)
	wantStages := [][]string{{}, {}, {"green"}, {"SYSCURRENT"}, {"SYSPREVIOUS", "blue"}}
	versions := *list.VersionMetadatas
	if len(versions) != len(wantStages) {
		t.Fatalf("%d versions", len(versions))
	}
	for i, v := range versions {
		if *v.Id != fmt.Sprintf("v%d", i+1) || !slices.Equal(*v.VersionStages, wantStages[i]) {
			t.Errorf("version %d is %s with stages %v", i+1, *v.Id, *v.VersionStages)
		}
		if i > 0 && *v.CreateTime <= *versions[i-1].CreateTime {
			t.Errorf("create_time of %s does not rise", *v.Id)
		}
	}
	if e := versions[2].ExpireTime; e == nil || *e != 4102444800000 {
		t.Error("expire_time was not kept in whole seconds")
	}
	for id, want := range map[string]string{"v1": "first\nline <&> \u2028", "v3": "", "v4": "fourth", "v5": "fifth", "latest": "fourth"} {
		got, err := c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: name, VersionId: id})
		must(t, err)
		if got.Version.SecretString == nil || *got.Version.SecretString != want || got.Version.SecretBinary != nil {
			t.Errorf("the value of %s differs", id)
		}
	}
	got, err := c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: name, VersionId: "v2"})
	must(t, err)
	if got.Version.SecretString != nil || *got.Version.SecretBinary != "/wD+gA==" {
		t.Error("the value of v2 differs")
	}
}

func TestSDKPaging(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	c := newClient(t, g, "a", g.SecretKey)
	for i := range 7 {
		_, err := c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: fmt.Sprintf("s%d", i), SecretString: ptr("x")}})
		must(t, err)
		_, err = c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: "s0", Body: &model.CreateSecretVersionRequestBody{SecretString: ptr("y")}})
		must(t, err)
	}
	var names, ids []string
	for marker := (*string)(nil); ; {
		page, err := c.ListSecrets(&model.ListSecretsRequest{Limit: ptr("3"), Marker: marker})
		must(t, err)
		for _, s := range *page.Secrets {
			names = append(names, *s.Name)
		}
		if marker = page.PageInfo.NextMarker; marker == nil {
			break
		}
	}
	for marker := (*string)(nil); ; {
		page, err := c.ListSecretVersions(&model.ListSecretVersionsRequest{SecretName: "s0", Limit: ptr(int32(4)), Marker: marker})
		must(t, err)
		for _, v := range *page.VersionMetadatas {
			ids = append(ids, *v.Id)
		}
		if marker = page.PageInfo.NextMarker; marker == nil {
			break
		}
	}
	if !slices.Equal(names, []string{"s0", "s1", "s2", "s3", "s4", "s5", "s6"}) {
		t.Errorf("names: %v", names)
	}
	if !slices.Equal(ids, []string{"v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8"}) {
		t.Errorf("ids: %v", ids)
	}
	// As Terraform pages: by the last name, until nothing comes.
	last, err := c.ListSecrets(&model.ListSecretsRequest{Marker: ptr("s6")})
	must(t, err)
	if len(*last.Secrets) != 0 {
		t.Error("the marker is not exclusive")
	}
	empty, err := c.ListSecrets(&model.ListSecretsRequest{Limit: ptr("2"), Marker: ptr("")})
	must(t, err)
	if *empty.PageInfo.CurrentCount != 2 || *empty.PageInfo.NextMarker != "s1" {
		t.Error("an empty marker is not the first page")
	}
}

func TestSDKErrors(t *testing.T) {
	t.Parallel()
	g := twoStores(t)
	c := newClient(t, g, "a", g.SecretKey)
	create := func(name string) error {
		_, err := c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: name, SecretString: ptr("x")}})
		return err
	}
	must(t, create("taken"))
	wantError(t, create("taken"), 400, "CSMS.0101")
	wantError(t, create("a b"), 400, "CSMS.0002")

	_, err := c.ShowSecret(&model.ShowSecretRequest{SecretName: "none"})
	wantError(t, err, 404, "CSMS.0106")
	_, err = c.ShowSecretVersion(&model.ShowSecretVersionRequest{SecretName: "taken", VersionId: "v2"})
	wantError(t, err, 404, "CSMS.0005")
	_, err = c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: "none", Body: &model.CreateSecretVersionRequestBody{SecretString: ptr("x")}})
	wantError(t, err, 404, "CSMS.0106")
	_, err = c.DownloadSecretBlob(&model.DownloadSecretBlobRequest{SecretName: "none"})
	wantError(t, err, 404, "CSMS.0106")
	_, err = c.RotateSecret(&model.RotateSecretRequest{SecretName: "taken"})
	wantError(t, err, 400, "CSMS.0003")
	_, err = c.ListSecretTags(&model.ListSecretTagsRequest{SecretId: "bb6a3d22-dc93-47ac-b5bd-88df7ad35f1e"})
	wantError(t, err, 404, "CSMS.0005")

	wrong := newClient(t, g, "a", "another secret key")
	for range 5 {
		_, err = wrong.ShowSecret(&model.ShowSecretRequest{SecretName: "taken"})
		wantError(t, err, 401, "APIGW.0301")
	}
	_, err = wrong.ShowSecret(&model.ShowSecretRequest{SecretName: "taken"})
	if wantError(t, err, 401, "APIGW.0301"); !strings.Contains(fmt.Sprint(err), "AK access failed to reach the limit") {
		t.Error("five wrong signatures do not lock the key for this address")
	}
	_, err = c.ShowSecret(&model.ShowSecretRequest{SecretName: "taken"})
	must(t, err) // its secret is none that anybody guesses
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError wants the SDK's typed error, with a request id.
func wantError(t testing.TB, err error, status int, code string) {
	t.Helper()
	var e *sdkerr.ServiceResponseError
	if !errors.As(err, &e) {
		t.Errorf("got %v, want a ServiceResponseError", err)
		return
	}
	if e.StatusCode != status || e.ErrorCode != code || e.RequestId == "" {
		t.Errorf("got %d %s (request id %q): %s, want %d %s", e.StatusCode, e.ErrorCode, e.RequestId, e.ErrorMessage, status, code)
	}
}
