package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"
)

// life is what Terraform's resource does, and a little more.
func (s *csmsSuite) life(t *testing.T) {
	c := s.client(t, s.store)
	const name, key, other = "Whole.Life_1", "b168fe00-ff56-4924-95a7-d22974df2d0b", "c168fe00-ff56-4924-95a7-d22974df2d0b"
	made := got(c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{
		Name: name, SecretString: new("one"), Description: new("first"), KmsKeyId: new(key),
	}}))(t).Secret
	if *made.State != "ENABLED" || *made.KmsKeyId != key || *made.Description != "first" || made.ScheduledDeleteTime != nil {
		t.Errorf("created: %v", made)
	}
	updated := got(c.UpdateSecret(&model.UpdateSecretRequest{SecretName: name, Body: &model.UpdateSecretRequestBody{
		Description: new(""), EventSubscriptions: &[]string{}, KmsKeyId: new(other),
	}}))(t).Secret
	if *updated.Id != *made.Id || *updated.Description != "" || *updated.KmsKeyId != other || *updated.CreateTime != *made.CreateTime || *updated.UpdateTime < *made.UpdateTime {
		t.Errorf("updated: %v", updated)
	}
	binary := got(c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: name, Body: &model.CreateSecretVersionRequestBody{
		SecretBinary: new("/wD+gA=="), ExpireTime: new(int64(1900000000999)),
	}}))(t).VersionMetadata
	if *binary.Id != "v2" || *binary.ExpireTime != 1900000000000 || *binary.KmsKeyId != other || !slices.Equal(*binary.VersionStages, []string{"SYSCURRENT"}) {
		t.Errorf("second version: %v", binary)
	}
	c.wantValue(name, "v1", "one")
	c.wantValue(name, "latest", "binary:/wD+gA==")
	expired := got(c.UpdateVersion(&model.UpdateVersionRequest{SecretName: name, VersionId: "v1", Body: &model.UpdateVersionRequestBody{ExpireTime: 1800000000000}}))(t).VersionMetadata
	if *expired.Id != "v1" || *expired.ExpireTime != 1800000000000 || *expired.KmsKeyId != key {
		t.Errorf("first version, updated: %v", expired)
	}
	c.wantVersions(name, "v1 SYSPREVIOUS", "v2 SYSCURRENT")
	blob := got(c.DownloadSecretBlob(&model.DownloadSecretBlobRequest{SecretName: name}))(t).SecretBlob
	got(c.DeleteSecret(&model.DeleteSecretRequest{SecretName: name}))(t)
	_, err := c.ShowSecret(&model.ShowSecretRequest{SecretName: name})
	refused(t, "what is deleted", err, 404, "CSMS.0106")
	for _, store := range []string{s.store, s.other} {
		c := s.client(t, store)
		back := got(c.UploadSecretBlob(&model.UploadSecretBlobRequest{Body: &model.UploadSecretBlobRequestBody{SecretBlob: *blob}}))(t).Secret
		keyed := *back.KmsKeyId == other || s.kind == "azurekv" // no room in its tag for a key that was changed: foretold
		if *back.Name != name || !keyed || *back.State != "ENABLED" || (*back.Id == *made.Id) != (store == s.store) {
			t.Errorf("restored into %s: %v", store, back)
		}
		c.wantVersions(name, "v1 SYSPREVIOUS", "v2 SYSCURRENT")
		c.wantValue(name, "v2", "binary:/wD+gA==")
	}
}

// stages moves labels as the documents tell, and the current role back.
func (s *csmsSuite) stages(t *testing.T) {
	c := s.client(t, s.store)
	const name = "stages"
	c.create(name, "one")
	c.add(name, "two", "blue")
	c.wantVersions(name, "v1 SYSCURRENT", "v2 blue")
	c.add(name, "three")
	c.add(name, "four", "SYSPREVIOUS", "green")
	c.wantVersions(name, "v1", "v2 blue", "v3 SYSCURRENT", "v4 SYSPREVIOUS green")
	c.wantValue(name, "latest", "three")
	for _, m := range [][2]string{{"blue", "v4"}, {"SYSCURRENT", "v1"}, {"new", "v3"}} {
		if err := c.move(name, m[0], m[1]); err != nil {
			t.Errorf("%s to %s: %v", m[0], m[1], err)
		}
	}
	c.wantVersions(name, "v1 SYSCURRENT", "v2", "v3 SYSPREVIOUS new", "v4 blue green")
	c.wantValue(name, "latest", "one")
	if stage := got(c.ShowSecretStage(&model.ShowSecretStageRequest{SecretName: name, StageName: "SYSCURRENT"}))(t).Stage; *stage.VersionId != "v1" {
		t.Errorf("SYSCURRENT is at %s", *stage.VersionId)
	}
	if err := c.move(name, "SYSPREVIOUS", "v2"); err != nil {
		t.Error(err)
	}
	got(c.DeleteSecretStage(&model.DeleteSecretStageRequest{SecretName: name, StageName: "green"}))(t)
	_, err := c.DeleteSecretStage(&model.DeleteSecretStageRequest{SecretName: name, StageName: "green"})
	refused(t, "a label that is gone", err, 404, "CSMS.0005")
	_, err = c.DeleteSecretStage(&model.DeleteSecretStageRequest{SecretName: name, StageName: "SYSCURRENT"})
	refused(t, "a label of the service's own", err, 400, "CSMS.0105")
	refused(t, "both roles", c.move(name, "SYSPREVIOUS", "v1"), 400, "CSMS.0002")
	refused(t, "an absent version", c.move(name, "blue", "v9"), 404, "CSMS.0005")
	c.wantVersions(name, "v1 SYSCURRENT", "v2 SYSPREVIOUS", "v3 new", "v4 blue")
	c.add(name, "five")
	c.wantVersions(name, "v1 SYSPREVIOUS", "v2", "v3 new", "v4 blue", "v5 SYSCURRENT")
	c.wantValue(name, "latest", "five")
}

// recycling: the twenty-first version takes the place of the oldest without a
// label, which no backup lacks.
func (s *csmsSuite) recycling(t *testing.T) {
	c := s.client(t, s.store)
	const name = "recycling"
	c.create(name, "1")
	if err := c.move(name, "kept", "v1"); err != nil {
		t.Fatal(err)
	}
	for i := 2; i <= 20; i++ {
		c.add(name, fmt.Sprint(i))
	}
	if n := len(c.versions(name)); n != 20 {
		t.Fatalf("%d of 20 versions are there", n)
	}
	c.add(name, "21")
	c.add(name, "22", "kept")
	if have := c.versions(name); len(have) != 20 || have[0] != "v3" || have[19] != "v22 kept" { // v1 lost its label, and with it its place
		t.Errorf("after two more: %v", have)
	}
	var err error
	for _, id := range []string{"v1", "v2"} {
		_, err = c.read(name, id)
		refused(t, "a recycled version", err, 404, "CSMS.0005")
	}
	refused(t, "a label for it", c.move(name, "blue", "v2"), 404, "CSMS.0005")
	_, err = c.UpdateVersion(&model.UpdateVersionRequest{SecretName: name, VersionId: "v2", Body: &model.UpdateVersionRequestBody{ExpireTime: 1}})
	refused(t, "an expiry for it", err, 404, "CSMS.0005")
	c.wantValue(name, "latest", "21")
	c.wantValue(name, "v22", "22")
	before := c.versions(name)
	blob := got(c.DownloadSecretBlob(&model.DownloadSecretBlobRequest{SecretName: name}))(t).SecretBlob
	into := s.client(t, s.other)
	got(into.UploadSecretBlob(&model.UploadSecretBlobRequest{Body: &model.UploadSecretBlobRequestBody{SecretBlob: *blob}}))(t)
	into.wantVersions(name, before...)
	az := newAzure(t, s.gateway, s.other).(azureClient)
	n := 0
	for p := az.c.NewListSecretPropertiesVersionsPager(name, nil); p.More(); {
		n += len(got(p.NextPage(t.Context()))(t).Value)
	}
	if want := min(22, s.most); n != want {
		t.Errorf("the backup holds %d versions, want %d", n, want)
	}
}

// noRoom: where a product cannot keep which versions are recycled, a version
// can be added all the same.
func (s *csmsSuite) noRoom(t *testing.T) {
	c := s.client(t, s.store)
	got(c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{
		Name: "no-room", SecretString: new("1"), Description: new(strings.Repeat("d", 80)), KmsKeyId: new("b168fe00-ff56-4924-95a7-d22974df2d0b"),
	}}))(t)
	for i := 2; i <= 24; i++ {
		c.add("no-room", fmt.Sprint(i))
	}
	c.wantValue("no-room", "latest", "24")
}

// schedule is a deletion that can be cancelled, and one that is made final.
func (s *csmsSuite) schedule(t *testing.T) {
	c := s.client(t, s.store)
	const name = "schedule"
	made := c.create(name, "one")
	c.add(name, "two")
	pending := got(c.DeleteSecretForSchedule(&model.DeleteSecretForScheduleRequest{SecretName: name, Body: &model.DeleteSecretForScheduleRequestBody{RecoveryWindowInDays: 7}}))(t).Secret
	if *pending.State != "PENDING_DELETE" || *pending.Id != *made.Id || pending.ScheduledDeleteTime == nil || *pending.ScheduledDeleteTime < *made.CreateTime+7*86400*1000-60000 {
		t.Errorf("scheduled: %v", pending)
	}
	if shown := c.show(name); *shown.State != "PENDING_DELETE" || *shown.ScheduledDeleteTime != *pending.ScheduledDeleteTime {
		t.Errorf("shown: %v", shown)
	}
	listed := false
	for marker := (*string)(nil); ; {
		page := got(c.ListSecrets(&model.ListSecretsRequest{Limit: new("3"), Marker: marker}))(t)
		for _, x := range *page.Secrets {
			listed = listed || *x.Name == name && *x.State == "PENDING_DELETE"
		}
		if marker = page.PageInfo.NextMarker; marker == nil {
			break
		}
	}
	if !listed {
		t.Error("what is to be deleted is not listed")
	}
	_, err := c.read(name, "latest")
	refused(t, "a value", err, 400, "CSMS.0103")
	_, err = c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: name, SecretString: new("x")}})
	refused(t, "the name again", err, 400, "CSMS.0103")
	_, err = c.DeleteSecretForSchedule(&model.DeleteSecretForScheduleRequest{SecretName: name, Body: &model.DeleteSecretForScheduleRequestBody{RecoveryWindowInDays: 30}})
	refused(t, "another schedule", err, 400, "CSMS.0107")
	if back := got(c.RestoreSecret(&model.RestoreSecretRequest{SecretName: name}))(t).Secret; *back.State != "ENABLED" || back.ScheduledDeleteTime != nil || *back.Id != *made.Id {
		t.Errorf("cancelled: %v", back)
	}
	_, err = c.RestoreSecret(&model.RestoreSecretRequest{SecretName: name})
	refused(t, "a cancel of nothing", err, 400, "CSMS.0108")
	c.wantVersions(name, "v1 SYSPREVIOUS", "v2 SYSCURRENT")
	c.wantValue(name, "latest", "two")
	got(c.DeleteSecretForSchedule(&model.DeleteSecretForScheduleRequest{SecretName: name, Body: &model.DeleteSecretForScheduleRequestBody{RecoveryWindowInDays: 30}}))(t)
	got(c.DeleteSecret(&model.DeleteSecretRequest{SecretName: name}))(t)
	_, err = c.ShowSecret(&model.ShowSecretRequest{SecretName: name})
	refused(t, "what is gone", err, 404, "CSMS.0106")
	c.create(name, "anew")
	c.wantVersions(name, "v1 SYSCURRENT")
}

// tags by the id of a secret, and secrets by their tags.
func (s *csmsSuite) tags(t *testing.T) {
	c := s.client(t, s.store)
	red, blue := c.create("tags-Red", "r"), c.create("tags-blue", "b")
	got(c.CreateSecretTag(&model.CreateSecretTagRequest{SecretId: *red.Id, Body: &model.CreateSecretTagRequestBody{Tag: &model.TagItem{Key: "team", Value: new("red")}}}))(t)
	change := func(id, action string, tags ...model.TagItem) {
		t.Helper()
		got(c.BatchCreateOrDeleteTags(&model.BatchCreateOrDeleteTagsRequest{SecretId: id, Body: &model.BatchCreateOrDeleteTagsRequestBody{Action: action, Tags: tags}}))(t)
	}
	want := func(id, want string) {
		t.Helper()
		var have []string
		for _, tag := range *got(c.ListSecretTags(&model.ListSecretTagsRequest{SecretId: id}))(t).Tags {
			have = append(have, tag.Key+"="+*tag.Value)
		}
		if fmt.Sprint(have) != want {
			t.Errorf("tags: %v, want %s", have, want)
		}
	}
	change(*red.Id, "create", model.TagItem{Key: "env", Value: new("a/b")}, model.TagItem{Key: "a b:c+d@é="})
	change(*blue.Id, "create", model.TagItem{Key: "team", Value: new("blue")})
	want(*red.Id, "[a b:c+d@é== env=a/b team=red]")
	c.add("tags-Red", "r2") // tags are the secret's, not a version's
	want(*red.Id, "[a b:c+d@é== env=a/b team=red]")
	find := func(action string, tags []model.Tag, name string) (int32, []string) {
		t.Helper()
		body := &model.ListResourceInstancesRequestBody{Action: action, Tags: &tags, Matches: &[]model.TagMatches{{Key: new("resource_name"), Value: new(name)}}}
		out := got(c.ListResourceInstances(&model.ListResourceInstancesRequest{ResourceInstances: "resource_instances", Body: body}))(t)
		var names []string
		if out.Resources != nil {
			for _, r := range *out.Resources {
				names = append(names, *r.ResourceName)
				if *r.ResourceId != *r.ResourceDetail.Id {
					t.Error("the detail is of another secret")
				}
			}
		}
		return *out.TotalCount, names
	}
	either := []model.Tag{{Key: new("team"), Values: &[]string{"red", "blue"}}}
	if n, names := find("filter", either, "TAGS-"); n != 2 || !slices.Equal(names, []string{"tags-Red", "tags-blue"}) {
		t.Errorf("either team: %d %v", n, names)
	}
	if n, names := find("count", append(either, model.Tag{Key: new("env"), Values: &[]string{}}), "tags-"); n != 1 || names != nil {
		t.Errorf("count of one team: %d %v", n, names)
	}
	got(c.DeleteSecretTag(&model.DeleteSecretTagRequest{SecretId: *red.Id, Key: "a b:c+d@é="}))(t)
	change(*red.Id, "delete", model.TagItem{Key: "env", Value: new("a/b")})
	want(*red.Id, "[team=red]")
	teams := ""
	for _, tag := range *got(c.ListProjectSecretsTags(&model.ListProjectSecretsTagsRequest{}))(t).Tags {
		if *tag.Key == "team" {
			teams = strings.Join(*tag.Values, " ")
		}
	}
	if teams != "blue red" {
		t.Errorf("teams of the project: %s", teams)
	}
	// A gateway that has never seen the secret knows its id as well.
	c = s.fresh.client(t, s.store)
	want(*red.Id, "[team=red]")
	_, err := c.ListSecretTags(&model.ListSecretTagsRequest{SecretId: "bb6a3d22-dc93-47ac-b5bd-88df7ad35f1e"})
	refused(t, "an unknown id", err, 404, "CSMS.0005")
}

// batches of several secrets, some of which fail.
func (s *csmsSuite) batches(t *testing.T) {
	c := s.client(t, s.store)
	c.create("batch-taken", "0")
	out := got(c.BatchImportSecrets(&model.BatchImportSecretsRequest{Body: &model.ImportSecretsRequest{Secrets: []model.CreateSecretRequestBody{
		{Name: "batch-1", SecretString: new("1"), Description: new("d")},
		{Name: "batch-taken", SecretString: new("x")},
		{Name: "batch 2", SecretString: new("2")},
		{Name: "batch-3", SecretBinary: new("AAE=")},
	}}}))(t)
	if *out.Total != 4 || *out.Success != 2 || *out.Failed != 2 || len(*out.ErrorList) != 2 || (*out.ErrorList)[0].Name != "batch-taken" {
		t.Errorf("import: %v", out)
	}
	c.wantValue("batch-1", "latest", "1")
	c.wantValue("batch-3", "latest", "binary:AAE=")
	c.wantValue("batch-taken", "latest", "0")
	got(c.DeleteSecret(&model.DeleteSecretRequest{SecretName: "batch-1"}))(t)
	word := *got(c.GenerateRandomPassword(&model.GenerateRandomPasswordRequest{Body: &model.CreatePasswordRequestBody{
		Length: new(int32(24)), ExcludeCharacters: new("l1I0O"), ExcludePunctuation: new(true),
	}}))(t).Password
	if !regexp.MustCompile(`^[A-HJ-NP-Za-km-z2-9]{24}$`).MatchString(word) {
		t.Error("the password is not what was asked for")
	}
}

// limits of section 2: each at it, and one over.
func (s *csmsSuite) limits(t *testing.T) {
	c := s.client(t, s.store)
	long := strings.Repeat("n", 64)
	c.create(long, strings.Repeat("v", 25600)) // the smallest of all products
	c.wantValue(long, "latest", strings.Repeat("v", 25600))
	_, err := c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: long + "n", SecretString: new("x")}})
	refused(t, "a name of 65", err, 400, "CSMS.0002")
	_, err = c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "limits", SecretString: new(strings.Repeat("v", 32769))}})
	refused(t, "a value of 32769", err, 400, "CSMS.0002")
	_, err = c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "limits", SecretString: new("x"), SecretBinary: new("eA==")}})
	refused(t, "both values", err, 400, "CSMS.0002")
	_, err = c.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "limits"}})
	refused(t, "no value", err, 400, "CSMS.0002")
	c.create("limits", "")
	c.wantValue("limits", "latest", "")
	for i := range 10 {
		if err := c.move("limits", fmt.Sprint("s", i), "v1"); err != nil {
			t.Fatalf("label %d: %v", i, err)
		}
	}
	refused(t, "the thirteenth label", c.move("limits", "s10", "v1"), 400, "CSMS.0203")
	if err := c.move("limits", "s9", "v1"); err != nil {
		t.Errorf("a label that is there: %v", err)
	}
}

// acrossDialects: what one wrote reads right through the other.
func (s *csmsSuite) acrossDialects(t *testing.T) {
	c, ctx := s.client(t, s.store), t.Context()
	az, isAzure := newAzure(t, s.gateway, s.store).(azureClient)
	if !isAzure {
		t.Fatal("no client")
	}
	c.create("Cross_1", "one")
	c.add("Cross_1", "two", "blue")
	page := got(az.c.NewListSecretPropertiesPager(nil).NextPage(ctx))(t)
	var spelled string
	for _, p := range page.Value {
		if strings.HasPrefix(p.ID.Name(), "x0-") {
			v, err := az.c.GetSecret(ctx, p.ID.Name(), "", nil)
			if e, ok := errors.AsType[*azcore.ResponseError](err); ok && e.StatusCode == http.StatusNotFound { // other cases purge theirs meanwhile
				continue
			}
			if v := got(v, err)(t); *v.Value == "one" {
				spelled = p.ID.Name()
			}
		}
	}
	if spelled == "" {
		t.Error("hazard 9.1/1: the name does not appear escaped, or 9.1/4: its current version is another")
	}
	set := got(az.c.SetSecret(ctx, "cross-2", azsecrets.SetSecretParameters{Value: new("one"), ContentType: new("text/plain"), Tags: map[string]*string{"k": new("any, text")}}, nil))(t)
	got(az.c.SetSecret(ctx, "cross-2", azsecrets.SetSecretParameters{Value: new("two")}, nil))(t)
	c.wantVersions("cross-2", "v1 SYSPREVIOUS", "v2 SYSCURRENT") // hazard 9.1/3
	if err := c.move("cross-2", "SYSCURRENT", "v1"); err != nil {
		t.Error(err)
	}
	if now := got(az.c.GetSecret(ctx, "cross-2", "", nil))(t); now.ID.Version() != set.ID.Version() || *now.Value != "one" || *now.ContentType != "text/plain" || *now.Tags["k"] != "any, text" {
		t.Error("hazards 9.1/4, 9 and 14: the current version through Key Vault is not the one that holds SYSCURRENT, whole")
	}
	c.add("cross-2", "three", "blue")
	c.wantValue("cross-2", "v3", "three")
	got(c.CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: "cross-2", Body: &model.CreateSecretVersionRequestBody{SecretBinary: new("/wD+gA==")}}))(t)
	if now := got(az.c.GetSecret(ctx, "cross-2", "", nil))(t); *now.Value != "/wD+gA==" {
		t.Error("hazard 9.1/8: bytes are not base64 through Key Vault")
	}
	off := false
	got(az.c.UpdateSecretProperties(ctx, "cross-2", "", azsecrets.UpdateSecretPropertiesParameters{SecretAttributes: &azsecrets.SecretAttributes{Enabled: &off}}, nil))(t)
	if state := *c.show("cross-2").State; state != "DISABLED" {
		t.Errorf("hazards 9.1/12 and 9.2/15: a disabled secret is %s", state)
	}
	_, err := c.read("cross-2", "latest")
	refused(t, "hazards 9.1/12 and 9.2/15: its value", err, 403, "CSMS.0109")
	_, err = c.UpdateVersion(&model.UpdateVersionRequest{SecretName: "cross-2", VersionId: "v1", Body: &model.UpdateVersionRequestBody{ExpireTime: 1}})
	refused(t, "hazards 9.1/12 and 9.2/15: an expiry", err, 403, "CSMS.0109")
	got(az.c.DeleteSecret(ctx, "cross-2", nil))(t)
	if state := *c.show("cross-2").State; state != "PENDING_DELETE" {
		t.Errorf("hazard 9.1/16: a deleted secret is %s", state)
	}
	got(c.RestoreSecret(&model.RestoreSecretRequest{SecretName: "cross-2"}))(t)
	got(c.DeleteSecretForSchedule(&model.DeleteSecretForScheduleRequest{SecretName: "cross-2", Body: &model.DeleteSecretForScheduleRequestBody{RecoveryWindowInDays: 7}}))(t)
	got(az.c.RecoverDeletedSecret(ctx, "cross-2", nil))(t)
	got(c.DeleteSecret(&model.DeleteSecretRequest{SecretName: "cross-2"}))(t)
	_, err = az.c.GetDeletedSecret(ctx, "cross-2", nil)
	wantCode(t, "hazard 9.1/16: a final deletion", err, 404, "SecretNotFound")
	got(az.c.SetSecret(ctx, "cross-2", azsecrets.SetSecretParameters{Value: new(base64.StdEncoding.EncodeToString([]byte("x")))}, nil))(t)
	c.wantValue("cross-2", "latest", "eA==") // never bytes by guess
}

// unserved: what cannot be had here says so, in the vendor's shape, and is
// never taken for "gone".
func (s *csmsSuite) unserved(t *testing.T) {
	c := s.client(t, s.store)
	for what, call := range map[string]func() error{
		"RotateSecret": func() error { _, err := c.RotateSecret(&model.RotateSecretRequest{SecretName: "x"}); return err },
		"CheckSecrets": func() error {
			_, err := c.CheckSecrets(&model.CheckSecretsRequest{Body: &model.CheckSecretsRequestBody{}})
			return err
		},
		"ShowSecretsConfig": func() error { _, err := c.ShowSecretsConfig(&model.ShowSecretsConfigRequest{}); return err },
		"UpdateSecretsConfig": func() error {
			_, err := c.UpdateSecretsConfig(&model.UpdateSecretsConfigRequest{Body: &model.UpdateSecretsConfigRequestBody{}})
			return err
		},
		"CreateGrants": func() error {
			_, err := c.CreateGrants(&model.CreateGrantsRequest{Body: &model.GrantSecretReqBody{}})
			return err
		},
		"UpdateGrant": func() error {
			_, err := c.UpdateGrant(&model.UpdateGrantRequest{Body: &model.GrantSecretReqBody{}})
			return err
		},
		"ListGrants":  func() error { _, err := c.ListGrants(&model.ListGrantsRequest{}); return err },
		"DeleteGrant": func() error { _, err := c.DeleteGrant(&model.DeleteGrantRequest{}); return err },
		"ShowAgency":  func() error { _, err := c.ShowAgency(&model.ShowAgencyRequest{}); return err },
		"CreateAgency": func() error {
			_, err := c.CreateAgency(&model.CreateAgencyRequest{Body: &model.CreateAgencyRequestBody{}})
			return err
		},
		"Templates": func() error {
			_, err := c.ShowSecretFunctionTemplates(&model.ShowSecretFunctionTemplatesRequest{})
			return err
		},
		"ListUsers":      func() error { _, err := c.ListUsers(&model.ListUsersRequest{}); return err },
		"ShowUserDetail": func() error { _, err := c.ShowUserDetail(&model.ShowUserDetailRequest{UserId: "u"}); return err },
		"UpdateUserPassword": func() error {
			_, err := c.UpdateUserPassword(&model.UpdateUserPasswordRequest{Body: &model.ChangeUsersPassword{}})
			return err
		},
	} {
		refused(t, what, call(), 400, "CSMS.0003")
	}
}
