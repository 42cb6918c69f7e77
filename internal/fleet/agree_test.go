package fleet

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/core/auth/basic"
	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/internal/postgrestest"
)

// agree wants all gateways to show the same, and what one hands out to be good at
// another.
func (f *fleet) agree(t *testing.T) {
	t.Helper()
	list := func(c *azsecrets.Client) (names []string) {
		for pages := c.NewListSecretPropertiesPager(nil); pages.More(); { // each page is another gateway's behind the balancer
			page, err := pages.NextPage(t.Context())
			must(t, err)
			for _, s := range page.Value {
				names = append(names, string(*s.ID))
			}
		}
		_, port, _ := strings.Cut(names[0], "localhost:")
		port, _, _ = strings.Cut(port, "/")
		for i := range names {
			names[i] = strings.Replace(names[i], ":"+port, "", 1)
		}
		return names
	}
	whole := list(f.azure(t, f.balancer.address))
	for _, g := range f.gateways {
		if got := list(f.azure(t, g.address)); !slices.Equal(got, whole) {
			t.Errorf("one gateway lists %d secrets, all of them %d", len(got), len(whole))
		}
	}
	one, two := f.azure(t, f.gateways[0].address), f.azure(t, f.gateways[1].address)
	blob, err := one.BackupSecret(t.Context(), keptName(0), nil)
	must(t, err)
	_, err = one.DeleteSecret(t.Context(), keptName(0), nil)
	must(t, err)
	_, err = two.PurgeDeletedSecret(t.Context(), keptName(0), nil)
	must(t, err)
	_, err = two.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob.Value}, nil)
	must(t, err)
	id := func(address string) string {
		out, err := f.huawei(t, address).ShowSecret(&model.ShowSecretRequest{SecretName: keptName(3)})
		must(t, err)
		return *out.Secret.Id
	}
	if a, b := id(f.gateways[0].address), id(f.gateways[2].address); a != b {
		t.Error("two gateways give one secret two ids")
	}
}

// TestFleetAgrees: what one of three gateways over PostgreSQL gives or is told is good
// at the others at once.
func TestFleetAgrees(t *testing.T) {
	t.Parallel()
	server := postgrestest.Start(t, postgrestest.Options{})
	f := newFleet(t, 3, fmt.Sprintf("postgres, postgres: { dsn: %q }", server.DSN("postgres")))
	t.Run("pages", f.pages)
	t.Run("tokens", f.tokens)
	t.Run("temporary keys", f.temporaryKeys)
	t.Run("events", f.events)
	t.Run("tags", f.tagsAtOnce)
	for i := range 4 {
		name, value := keptName(i), "one"
		_, err := f.huawei(t, f.gateways[i%3].address).CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: name, SecretString: &value}})
		must(t, err)
	}
	f.agree(t)
}

// ask sends a request for the fleet's address to one gateway and reads its answer,
// which must have the status.
func (f *fleet) ask(t *testing.T, g *process, method, host, path string, header http.Header, body string, want int) (http.Header, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://"+host+":"+f.port()+path, strings.NewReader(body))
	must(t, err)
	for name := range header {
		r.Header.Set(name, header.Get(name))
	}
	resp, err := (&http.Client{Transport: f.transport(t, g.address)}).Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	said, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != want {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, resp.StatusCode, want, said)
	}
	return resp.Header, string(said)
}

// port is that of the fleet's address.
func (f *fleet) port() string {
	_, port, _ := net.SplitHostPort(f.balancer.address)
	return port
}

func bearer(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }

// pages: each page of a list goes on at another gateway, behind a secret that a third
// one has removed.
func (f *fleet) pages(t *testing.T) {
	const secrets, size = 9, 2
	for i := range secrets {
		value := "v"
		_, err := f.azure(t, f.gateways[i%3].address).SetSecret(t.Context(), fmt.Sprint("page-", i), azsecrets.SetSecretParameters{Value: &value}, nil)
		must(t, err)
	}
	var names []string
	path := fmt.Sprintf("/secrets?api-version=7.4&maxresults=%d", size)
	for i := 0; path != ""; i++ {
		_, said := f.ask(t, f.gateways[i%3], http.MethodGet, storeHost, path, bearer(token), "", http.StatusOK)
		var page struct {
			Value    []struct{ ID string }
			NextLink string
		}
		must(t, json.Unmarshal([]byte(said), &page))
		for _, s := range page.Value {
			names = append(names, s.ID[strings.LastIndex(s.ID, "/")+1:])
		}
		next, err := url.Parse(page.NextLink)
		must(t, err)
		if path = next.RequestURI(); page.NextLink == "" {
			break
		}
		last := names[len(names)-1]
		_, err = f.azure(t, f.gateways[(i+2)%3].address).DeleteSecret(t.Context(), last, nil)
		must(t, err)
	}
	if len(names) != secrets || !slices.IsSorted(names) {
		t.Errorf("the pages hold %v", names)
	}
}

// tokens: a token of one gateway's login is good at another.
func (f *fleet) tokens(t *testing.T) {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {"app"}, "client_secret": {clientKey}, "scope": {"https://vault.localhost:" + f.port() + "/.default"}}
	_, said := f.ask(t, f.gateways[0], http.MethodPost, loginHost, "/adfs/oauth2/v2.0/token", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode(), http.StatusOK)
	var issued struct {
		Token string `json:"access_token"`
	}
	must(t, json.Unmarshal([]byte(said), &issued))
	for _, g := range f.gateways[1:] {
		f.ask(t, g, http.MethodGet, storeHost, "/secrets?api-version=7.4", bearer(issued.Token), "", http.StatusOK)
	}
}

// temporaryKeys: a token of one gateway's IAM makes temporary keys at another, and
// they sign at a third.
func (f *fleet) temporaryKeys(t *testing.T) {
	header := http.Header{"Content-Type": {"application/json"}}
	login := fmt.Sprintf(`{"auth":{"identity":{"methods":["hw_ak_sk"],"hw_ak_sk":{"access":{"key":%q},"secret":{"key":%q}}},"scope":{"project":{"id":%q}}}}`, accessKey, secretKey, project)
	got, _ := f.ask(t, f.gateways[0], http.MethodPost, hwHost, "/v3/auth/tokens", header, login, http.StatusCreated)
	header.Set("X-Auth-Token", got.Get("X-Subject-Token"))
	_, said := f.ask(t, f.gateways[1], http.MethodPost, hwHost, "/v3.0/OS-CREDENTIAL/securitytokens", header, `{"auth":{"identity":{"methods":["token"]}}}`, http.StatusCreated)
	var made struct {
		Credential struct{ Access, Secret, SecurityToken string }
	}
	must(t, json.Unmarshal([]byte(said), &made))
	k := made.Credential
	c := f.huaweiBy(t, f.gateways[2].address, basic.NewCredentialsBuilder().WithAk(k.Access).WithSk(k.Secret).WithSecurityToken(k.SecurityToken)).c
	_, err := c.ListSecrets(&model.ListSecretsRequest{})
	must(t, err)
}

// events: what one gateway was told to watch, another one sees, and all tell of it
// once.
func (f *fleet) events(t *testing.T) {
	one, two := f.huawei(t, f.gateways[0].address), f.huawei(t, f.gateways[1].address)
	_, err := one.CreateSecretEvent(&model.CreateSecretEventRequest{Body: &model.CreateSecretEventRequestBody{
		Name: "ev", EventTypes: []model.CreateSecretEventRequestBodyEventTypes{model.GetCreateSecretEventRequestBodyEventTypesEnum().SECRET_VERSION_CREATED},
		State:        model.GetCreateSecretEventRequestBodyStateEnum().ENABLED,
		Notification: &model.Notification{TargetType: "SMN", TargetId: "urn:smn:cn-north-4:p:ops", TargetName: "ops"},
	}})
	must(t, err)
	value := "v"
	_, err = two.CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "watched", SecretString: &value, EventSubscriptions: &[]string{"ev"}}})
	must(t, err)
	_, err = f.huawei(t, f.gateways[2].address).CreateSecretVersion(&model.CreateSecretVersionRequest{SecretName: "watched", Body: &model.CreateSecretVersionRequestBody{SecretString: &value}})
	must(t, err)
	var first []string
	for i, g := range f.gateways {
		out, err := f.huawei(t, g.address).ListNotificationRecords(&model.ListNotificationRecordsRequest{})
		must(t, err)
		var records []string
		for _, r := range *out.Records {
			records = append(records, fmt.Sprint(r.TriggerEventType.Value(), *r.EventName, *r.SecretName, *r.CreateTime))
		}
		if i == 0 {
			first = records
		}
		if len(records) == 0 || !slices.Equal(records, first) || len(slices.Compact(slices.Sorted(slices.Values(records)))) != len(records) {
			t.Errorf("gateway %d tells of %v, the first of %v", i, records, first)
		}
	}
}

// tagsAtOnce: of tags that are added at all gateways at once none is lost.
func (f *fleet) tagsAtOnce(t *testing.T) {
	const each = 4 // a secret has twenty at most
	value := "v"
	out, err := f.huawei(t, f.gateways[0].address).CreateSecret(&model.CreateSecretRequest{Body: &model.CreateSecretRequestBody{Name: "tagged", SecretString: &value}})
	must(t, err)
	id := *out.Secret.Id
	var all sync.WaitGroup
	for i, g := range f.gateways {
		c := f.huawei(t, g.address)
		all.Go(func() {
			for n := range each {
				tag := &model.TagItem{Key: fmt.Sprintf("g%d-%d", i, n), Value: &value}
				_, err := c.CreateSecretTag(&model.CreateSecretTagRequest{SecretId: id, Body: &model.CreateSecretTagRequestBody{Tag: tag}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	tags, err := f.huawei(t, f.gateways[0].address).ListSecretTags(&model.ListSecretTagsRequest{SecretId: id})
	must(t, err)
	if n := len(*tags.Tags); n != each*len(f.gateways) {
		t.Errorf("%d tags stand of %d", n, each*len(f.gateways))
	}
}
