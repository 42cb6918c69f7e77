package e2e

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/huaweicloud/huaweicloud-sdk-go-v3/services/csms/v1/model"

	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestListsAreServedWithoutWhatIsDenied: over both APIs, page by page, a list has
// all that can be listed, and the log and the audit tell of the rest once.
func TestListsAreServedWithoutWhatIsDenied(t *testing.T) {
	t.Parallel()
	server := vaulttest.Shared(t)
	mount := server.NewMount(t)
	kv := server.Client(t, vaulttest.RootToken).KVv2(mount)
	for _, path := range []string{"a", "b", "denied/s", "e", "refused", "z", strings.Repeat("n", secret.MaxName+1)} {
		if _, err := kv.Put(t.Context(), path, map[string]any{"value": "canary"}); err != nil {
			t.Fatal(err)
		}
	}
	c := hashivault.Config{}
	c.SetDefaults()
	c.Address, c.Mount = server.Address, mount
	c.Token = secret.TextValue(server.Token(t, server.Policy(t, `
		path "`+mount+`/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }
		path "`+mount+`/metadata/denied*" { capabilities = ["deny"] }
		path "`+mount+`/metadata/refused" { capabilities = ["deny"] }`)))
	log := new(sharedBuffer)
	g := gatewaytest.New(t, gatewaytest.Options{
		Log:    slog.New(slog.NewTextHandler(log, nil)),
		Stores: []gateway.Store{{Name: "vault", Kind: "hashivault", Backend: open(t, hashivault.Driver, "vault", c)}},
	})
	for api, list := range map[string]func() []string{
		"azure": func() (names []string) {
			for pager := (&keyVaultSuite{gateway: g}).client(t, "vault").NewListSecretPropertiesPager(nil); pager.More(); {
				for _, item := range got(pager.NextPage(t.Context()))(t).Value {
					names = append(names, item.ID.Name())
				}
			}
			return names
		},
		"huawei": func() (names []string) {
			q := &model.ListSecretsRequest{Limit: new("2")}
			for {
				page := got((&csmsSuite{gateway: g}).client(t, "vault").ListSecrets(q))(t)
				for _, s := range *page.Secrets {
					names = append(names, *s.Name)
				}
				if q.Marker = page.PageInfo.NextMarker; q.Marker == nil || *q.Marker == "" {
					return names
				}
			}
		},
	} {
		before := len(g.Audit.EntriesOf(t, "vault"))
		if names := list(); !slices.Equal(names, []string{"a", "b", "e", "z"}) {
			t.Errorf("%s lists %q", api, names)
		}
		var losses []string
		for _, e := range g.Audit.EntriesOf(t, "vault")[before:] {
			losses = append(losses, e.Losses...)
		}
		if slices.Sort(losses); len(losses) != 3 || !strings.HasPrefix(losses[0], `data: 1 entry has a name that the gateway cannot hold ("nnn`) ||
			!strings.HasPrefix(losses[1], `data: 1 folder could not be listed ("denied/")`) || !strings.HasPrefix(losses[2], `data: 1 secret could not be read ("refused")`) {
			t.Errorf("%s: the audit says %q", api, losses)
		}
	}
	said := log.String()
	for _, op := range []string{"azure.ListSecrets", "huawei.ListSecrets"} {
		if !strings.Contains(said, `msg="a list is not whole" op=`+op) {
			t.Errorf("the log does not tell of %s: %s", op, said)
		}
	}
	if strings.Contains(said, "canary") {
		t.Error("a value is in the log")
	}
}
