package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"golang.org/x/sync/errgroup"
)

func ok[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantCode looks at what the SDK makes of a refusal: its type, and the code
// that a program asks for.
func wantCode(t *testing.T, what string, err error, status int, code string) {
	t.Helper()
	var e *azcore.ResponseError
	if !errors.As(err, &e) || e.StatusCode != status || e.ErrorCode != code {
		t.Errorf("%s: got %v, want %d %s", what, err, status, code)
	}
}

func putSecret(t *testing.T, c *azsecrets.Client, name, value string) string {
	t.Helper()
	return ok[azsecrets.SetSecretResponse](t)(c.SetSecret(t.Context(), name, azsecrets.SetSecretParameters{Value: &value}, nil)).ID.Version()
}

// life is every operation once, with what changes by each.
func (s *keyVaultSuite) life(t *testing.T) {
	c, ctx := s.client(t, s.store), t.Context()
	const name = "Whole-Life"
	exp, nbf := time.Unix(4102444800, 0).UTC(), time.Unix(1700000000, 0).UTC()
	v1 := ok[azsecrets.SetSecretResponse](t)(c.SetSecret(ctx, name, azsecrets.SetSecretParameters{
		Value: to.Ptr("one"), ContentType: to.Ptr("text/plain"), Tags: map[string]*string{"a": to.Ptr("1"), "b": to.Ptr("2")},
		SecretAttributes: &azsecrets.SecretAttributes{Expires: &exp},
	}, nil))
	v2 := putSecret(t, c, name, "two")
	up := ok[azsecrets.UpdateSecretPropertiesResponse](t)(c.UpdateSecretProperties(ctx, name, v1.ID.Version(), azsecrets.UpdateSecretPropertiesParameters{
		Tags: map[string]*string{"d": to.Ptr("5")}, SecretAttributes: &azsecrets.SecretAttributes{NotBefore: &nbf},
	}, nil))
	if up.Value != nil || len(up.Tags) != 1 || *up.Tags["d"] != "5" || *up.ContentType != "text/plain" || !up.Attributes.Expires.Equal(exp) || !up.Attributes.NotBefore.Equal(nbf) {
		t.Error("an update of the old version does not merge as the service does")
	}
	if up.Attributes.Created.Unix() != v1.Attributes.Created.Unix() || up.ID.Name() != name {
		t.Error("an update changes when the version was made, or its name's spelling")
	}
	if got := ok[azsecrets.GetSecretResponse](t)(c.GetSecret(ctx, name, "", nil)); got.ID.Version() != v2 || len(got.Tags) != 0 || got.ContentType != nil {
		t.Error("an update of the old version shows on the current one")
	}
	s.disable(t, c, name, v2)
	gone := ok[azsecrets.DeleteSecretResponse](t)(c.DeleteSecret(ctx, name, nil))
	if gone.ID.Version() != v2 || gone.RecoveryID == nil || gone.ScheduledPurgeDate.Sub(*gone.DeletedDate) != time.Duration(s.days)*24*time.Hour || int(*gone.Attributes.RecoverableDays) != s.days {
		t.Errorf("a deletion does not describe the current version and the store's retention, but %v", gone.ScheduledPurgeDate.Sub(*gone.DeletedDate))
	}
	if still := ok[azsecrets.GetDeletedSecretResponse](t)(c.GetDeletedSecret(ctx, name, nil)); *still.RecoveryID != *gone.RecoveryID || still.ID.Version() != v2 {
		t.Error("a deleted secret differs from the answer to its deletion")
	}
	back := ok[azsecrets.RecoverDeletedSecretResponse](t)(c.RecoverDeletedSecret(ctx, name, nil))
	if back.ID.Version() != v2 || back.Value != nil {
		t.Error("a recovered secret is not the deleted one")
	}
	old := ok[azsecrets.GetSecretResponse](t)(c.GetSecret(ctx, name, v1.ID.Version(), nil))
	if *old.Value != "one" || *old.Tags["d"] != "5" || !old.Attributes.Expires.Equal(exp) || !old.Attributes.NotBefore.Equal(nbf) {
		t.Error("the old version has not come back as it was")
	}
	ok[azsecrets.DeleteSecretResponse](t)(c.DeleteSecret(ctx, name, nil))
	ok[azsecrets.PurgeDeletedSecretResponse](t)(c.PurgeDeletedSecret(ctx, name, nil))
	if v := putSecret(t, c, name, "again"); v == v2 || v == v1.ID.Version() {
		t.Error("a version id comes back after a purge")
	}
	_, err := c.GetSecret(ctx, name, v2, nil)
	wantCode(t, "a version from before the purge", err, 404, "SecretNotFound")
}

// disable takes a version out of use, and back.
func (s *keyVaultSuite) disable(t *testing.T, c *azsecrets.Client, name, version string) {
	t.Helper()
	for _, on := range []bool{false, true} {
		up := ok[azsecrets.UpdateSecretPropertiesResponse](t)(c.UpdateSecretProperties(t.Context(), name, "", azsecrets.UpdateSecretPropertiesParameters{
			SecretAttributes: &azsecrets.SecretAttributes{Enabled: &on},
		}, nil))
		if up.ID.Version() != version || *up.Attributes.Enabled != on {
			t.Error("enabled does not follow the update")
		}
		_, err := c.GetSecret(t.Context(), name, version, nil)
		if on && err != nil {
			t.Error("an enabled version cannot be read:", err)
		}
		if !on {
			wantCode(t, "a disabled version", err, 403, "Forbidden")
		}
	}
}

// versions pages over 60 of one secret, or as many as the product holds.
func (s *keyVaultSuite) versions(t *testing.T) {
	c := s.client(t, s.store)
	var want, got []string
	n := s.atMost(60)
	for i := range n {
		want = append(want, putSecret(t, c, "many", fmt.Sprint(i)))
	}
	pages := 0
	for p := c.NewListSecretPropertiesVersionsPager("many", nil); p.More(); pages++ {
		for _, v := range ok[azsecrets.ListSecretPropertiesVersionsResponse](t)(p.NextPage(t.Context())).Value {
			got = append(got, v.ID.Version())
		}
	}
	if !slices.IsSorted(got) {
		t.Error("versions do not go by their ids")
	}
	slices.Sort(want)
	if !slices.Equal(got, want) || pages != (n+24)/25 {
		t.Errorf("%d versions on %d pages, want %d by 25", len(got), pages, n)
	}
	if cur := ok[azsecrets.GetSecretResponse](t)(c.GetSecret(t.Context(), "many", "", nil)); *cur.Value != fmt.Sprint(n-1) {
		t.Error("the current version is not the last one")
	}
}

// lists pages over 60 secrets, one of which goes while it is the boundary.
func (s *keyVaultSuite) lists(t *testing.T) {
	c := s.client(t, s.store)
	for i := range 60 {
		putSecret(t, c, fmt.Sprintf("Name-%02d", i), "x")
	}
	var got []string
	for p := c.NewListSecretPropertiesPager(nil); p.More(); {
		for _, v := range ok[azsecrets.ListSecretPropertiesResponse](t)(p.NextPage(t.Context())).Value {
			got = append(got, v.ID.Name())
		}
		if len(got) == 25 {
			ok[azsecrets.DeleteSecretResponse](t)(c.DeleteSecret(t.Context(), got[24], nil))
		}
	}
	if len(got) != 60 || !slices.IsSorted(got) || len(slices.Compact(got)) != 60 {
		t.Errorf("%d secrets are listed, want 60 in their order", len(got))
	}
}

// deletedLists pages over 30 in the trash, purging on the way.
func (s *keyVaultSuite) deletedLists(t *testing.T) {
	c := s.client(t, s.store)
	for i := range 32 {
		putSecret(t, c, fmt.Sprintf("name-%02d", i), "x")
		if i%16 != 0 {
			ok[azsecrets.DeleteSecretResponse](t)(c.DeleteSecret(t.Context(), fmt.Sprintf("name-%02d", i), nil))
		}
	}
	var got []string
	for p := c.NewListDeletedSecretPropertiesPager(nil); p.More(); {
		for _, v := range ok[azsecrets.ListDeletedSecretPropertiesResponse](t)(p.NextPage(t.Context())).Value {
			got = append(got, v.ID.Name())
			if !strings.HasSuffix(*v.RecoveryID, "/deletedsecrets/"+v.ID.Name()) {
				t.Error("a deleted secret has another one's recovery id")
			}
		}
		if len(got) == 25 {
			ok[azsecrets.PurgeDeletedSecretResponse](t)(c.PurgeDeletedSecret(t.Context(), got[24], nil))
		}
	}
	if len(got) != 30 || !slices.IsSorted(got) {
		t.Errorf("%d deleted secrets are listed, want 30 in their order", len(got))
	}
	live := ok[azsecrets.ListSecretPropertiesResponse](t)(c.NewListSecretPropertiesPager(nil).NextPage(t.Context()))
	if len(live.Value) != 2 {
		t.Errorf("%d live secrets are listed, want 2", len(live.Value))
	}
}

// values come back byte by byte.
func (s *keyVaultSuite) values(t *testing.T) {
	c := s.client(t, s.store)
	for what, value := range map[string]string{
		"empty": "", "unicode": "päß \u2028 \U0001f511 \x00 \x7f </script>&\"\\", "largest": strings.Repeat("é", 12_800),
		"binary": "/wD+AQ==", "json": `{"a": 1,"a":2}`, "lines": "-----BEGIN X-----\r\nAAAA\n",
	} {
		v := putSecret(t, c, "value-"+what, value)
		for _, version := range []string{"", v} {
			got := ok[azsecrets.GetSecretResponse](t)(c.GetSecret(t.Context(), "VALUE-"+what, version, nil))
			if *got.Value != value {
				t.Errorf("%s: %d bytes came back of %d", what, len(*got.Value), len(value))
			}
		}
	}
}

// writers set one secret all at once: each success is a version of its own.
func (s *keyVaultSuite) writers(t *testing.T) {
	c := s.client(t, s.store)
	ids := make([]string, s.atMost(24))
	var all errgroup.Group
	all.SetLimit(8)
	for i := range ids {
		all.Go(func() error {
			got, err := c.SetSecret(t.Context(), "contended", azsecrets.SetSecretParameters{Value: to.Ptr(fmt.Sprint(i))}, nil)
			if err == nil {
				ids[i] = got.ID.Version()
			}
			var e *azcore.ResponseError
			if errors.As(err, &e) && e.StatusCode == http.StatusConflict {
				return nil // said so, and nothing written
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for i, id := range ids {
		if id == "" {
			continue
		}
		n++
		if got := ok[azsecrets.GetSecretResponse](t)(c.GetSecret(t.Context(), "contended", id, nil)); *got.Value != fmt.Sprint(i) {
			t.Error("a writer's version holds another one's value")
		}
	}
	listed := 0
	for p := c.NewListSecretPropertiesVersionsPager("contended", nil); p.More(); {
		listed += len(ok[azsecrets.ListSecretPropertiesVersionsResponse](t)(p.NextPage(t.Context())).Value)
	}
	if n == 0 || listed != n {
		t.Errorf("%d writers succeeded, %d versions stand", n, listed)
	}
}

// updaters change different attributes of one version at once: all stay.
func (s *keyVaultSuite) updaters(t *testing.T) {
	c := s.client(t, s.store)
	putSecret(t, c, "updated", "x")
	exp, nbf := time.Unix(4102444800, 0), time.Unix(1700000000, 0)
	var all errgroup.Group
	for _, p := range []azsecrets.UpdateSecretPropertiesParameters{
		{ContentType: to.Ptr("t")},
		{Tags: map[string]*string{"a": to.Ptr("1")}},
		{SecretAttributes: &azsecrets.SecretAttributes{Expires: &exp}},
		{SecretAttributes: &azsecrets.SecretAttributes{NotBefore: &nbf}},
	} {
		all.Go(func() error {
			for {
				_, err := c.UpdateSecretProperties(t.Context(), "updated", "", p, nil)
				var e *azcore.ResponseError
				if !errors.As(err, &e) || e.StatusCode != http.StatusConflict {
					return err
				}
			}
		})
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	got := ok[azsecrets.GetSecretResponse](t)(c.GetSecret(t.Context(), "updated", "", nil))
	if got.ContentType == nil || *got.ContentType != "t" || len(got.Tags) != 1 || got.Attributes.Expires == nil || got.Attributes.NotBefore == nil || *got.Value != "x" {
		t.Error("an update is lost beside another")
	}
}

// move takes a secret to another host's store and asks for it there.
func (s *keyVaultSuite) move(t *testing.T) {
	c, there, ctx := s.client(t, s.store), s.client(t, s.other), t.Context()
	ids := []string{putSecret(t, c, "Moved", "one"), putSecret(t, c, "Moved", "two"), putSecret(t, c, "Moved", "three")}
	blob := ok[azsecrets.BackupSecretResponse](t)(c.BackupSecret(ctx, "moved", nil)).Value
	restore := func(c *azsecrets.Client) (azsecrets.RestoreSecretResponse, error) {
		return c.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil)
	}
	got := ok[azsecrets.RestoreSecretResponse](t)(restore(there))
	if got.Value != nil || got.ID.Version() != ids[2] || got.ID.Name() != "Moved" {
		t.Error("the answer is not the current version without its value")
	}
	for i, want := range []string{"one", "two", "three"} {
		if v := ok[azsecrets.GetSecretResponse](t)(there.GetSecret(ctx, "Moved", ids[i], nil)); *v.Value != want {
			t.Errorf("version %d has another value there", i+1)
		}
	}
	_, err := restore(there)
	wantCode(t, "restored over a live secret", err, 409, "Conflict")
	ok[azsecrets.DeleteSecretResponse](t)(there.DeleteSecret(ctx, "Moved", nil))
	_, err = restore(there)
	wantCode(t, "restored over a deleted secret", err, 409, "Conflict")
	ok[azsecrets.PurgeDeletedSecretResponse](t)(there.PurgeDeletedSecret(ctx, "Moved", nil))
	ok[azsecrets.RestoreSecretResponse](t)(restore(there))
}

// errors are those of what is absent, disabled, too large or forbidden.
func (s *keyVaultSuite) errors(t *testing.T) {
	c, ctx := s.client(t, s.store), t.Context()
	_, err := c.GetSecret(ctx, "nothing", "", nil)
	wantCode(t, "get", err, 404, "SecretNotFound")
	_, err = c.GetSecret(ctx, "nothing", strings.Repeat("0", 31)+"1", nil)
	wantCode(t, "get a version", err, 404, "SecretNotFound")
	_, err = c.UpdateSecretProperties(ctx, "nothing", "", azsecrets.UpdateSecretPropertiesParameters{}, nil)
	wantCode(t, "update", err, 404, "SecretNotFound")
	_, err = c.BackupSecret(ctx, "nothing", nil)
	wantCode(t, "backup", err, 404, "SecretNotFound")
	_, err = c.SetSecret(ctx, "under_score", azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil)
	wantCode(t, "a bad name", err, 400, "BadParameter")
	_, err = c.SetSecret(ctx, "large", azsecrets.SetSecretParameters{Value: to.Ptr(strings.Repeat("x", 25_601))}, nil)
	wantCode(t, "a large value", err, 400, "BadParameter")
	_, err = c.RestoreSecret(ctx, azsecrets.RestoreSecretParameters{SecretBackup: []byte("no backup at all")}, nil)
	wantCode(t, "a bad backup", err, 400, "Malformed backup blob")
	_, err = s.clientAs(t, s.store, "wrong").GetSecret(ctx, "nothing", "", nil)
	wantCode(t, "a wrong token", err, 401, "Unauthorized")
	got := ok[azsecrets.SetSecretResponse](t)(c.SetSecret(ctx, "born-disabled", azsecrets.SetSecretParameters{
		Value: to.Ptr("x"), SecretAttributes: &azsecrets.SecretAttributes{Enabled: to.Ptr(false)},
	}, nil))
	if *got.Value != "x" || *got.Attributes.Enabled {
		t.Error("a disabled secret's first answer lacks its value")
	}
	_, err = c.GetSecret(ctx, "born-disabled", "", nil)
	wantCode(t, "a disabled secret", err, 403, "Forbidden")
}

// trashErrors are those of secrets in the wrong state.
func (s *keyVaultSuite) trashErrors(t *testing.T) {
	c, ctx := s.client(t, s.store), t.Context()
	putSecret(t, c, "in-the-trash", "x")
	for i, name := range []string{"never-there", "in-the-trash"} {
		_, err := c.GetDeletedSecret(ctx, name, nil)
		wantCode(t, "get deleted "+name, err, 404, "SecretNotFound")
		_, err = c.RecoverDeletedSecret(ctx, name, nil)
		wantCode(t, "recover "+name, err, 404, "SecretNotFound")
		_, err = c.PurgeDeletedSecret(ctx, name, nil)
		wantCode(t, "purge "+name, err, 404, "SecretNotFound")
		if i == 0 {
			_, err = c.DeleteSecret(ctx, name, nil)
			wantCode(t, "delete "+name, err, 404, "SecretNotFound")
		}
	}
	ok[azsecrets.DeleteSecretResponse](t)(c.DeleteSecret(ctx, "in-the-trash", nil))
	_, err := c.DeleteSecret(ctx, "in-the-trash", nil)
	wantCode(t, "delete again", err, 404, "SecretNotFound")
	_, err = c.GetSecret(ctx, "in-the-trash", "", nil)
	wantCode(t, "get", err, 404, "SecretNotFound")
	_, err = c.SetSecret(ctx, "In-The-Trash", azsecrets.SetSecretParameters{Value: to.Ptr("x")}, nil)
	wantCode(t, "set", err, 409, "Conflict")
	var e *azcore.ResponseError
	if errors.As(err, &e) && !strings.Contains(e.Error(), "ObjectIsDeletedButRecoverable") {
		t.Error("the inner code does not say that the name can be recovered")
	}
}
