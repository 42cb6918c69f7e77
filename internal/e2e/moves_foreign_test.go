package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/faultproxy"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// TestForeignVersionInKeyVault: Key Vault cannot create a secret only if it is absent.
// What somebody else writes between the look of a move and its write is reported, and
// stays, and so does all that the move wrote.
func TestForeignVersionInKeyVault(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		stand bool // the first version is there already
		nth   int  // of the move's writes, which is held meanwhile
	}{
		{"before a new secret", false, 1},
		{"between two versions of a new secret", false, 2},
		{"before an append", true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, proxy, cloud := intoKeyVault(t)
			put := func(v string) {
				got(m.Service.Put(t.Context(), owner, gateway.Ref{Store: "home", Name: "s"}, secret.Draft{Value: secret.TextValue(v)}))(t)
			}
			put("one")
			if tt.stand {
				m.moved(t, m.plan(t, time.Now))
			}
			put("two")
			put("three")

			p := m.plan(t, time.Now)
			met, release := proxy.Hold(faultproxy.Writes, tt.nth)
			defer release()
			var results map[secret.Name]migrate.Result
			wait := background(t, func() { results, _ = m.run(t, t.Context(), p) })
			<-met.Began
			native, _ := newAzure(t, cloud, "cloud").(azureClient)
			foreign := putSecret(t, native.c, "s", "foreign")
			release()
			wait()

			if r := results["s"]; r.Step != migrate.Failed || r.Err == nil || !strings.Contains(r.Err.Error(), "all of this secret stands, and beside it 1 versions that are not its own") {
				t.Errorf("%+v", r)
			}
			values := map[string]int{}
			for pager := native.c.NewListSecretPropertiesVersionsPager("s", nil); pager.More(); {
				for _, v := range got(pager.NextPage(t.Context()))(t).Value {
					values[*got(native.c.GetSecret(t.Context(), "s", v.ID.Version(), nil))(t).Value]++
				}
			}
			if want := map[string]int{"one": 1, "two": 1, "three": 1, "foreign": 1}; fmt.Sprint(values) != fmt.Sprint(want) {
				t.Errorf("Key Vault holds %v", values)
			}
			if v := got(native.c.GetSecret(t.Context(), "s", foreign, nil))(t); *v.Value != "foreign" {
				t.Error("the foreign version has another value")
			}
			if e := m.plan(t, time.Now).entries["s"]; e.Class != migrate.Conflict {
				t.Errorf("a second plan: %+v", e)
			}
		})
	}
}

// intoKeyVault are moves from memory into a store of Key Vault behind a proxy.
func intoKeyVault(t *testing.T) (*moves, *faultproxy.Proxy, *gatewaytest.Gateway) {
	t.Helper()
	cloud := newCloud(t)
	proxy := faultproxy.Start(t, faultproxy.Options{Scheme: "https", Upstream: cloud.Client.Transport, TLS: cloud.TLS})
	c := overCloud(t, cloud)
	c.Dial = always(proxy.Address)
	m := &moves{from: "home", to: "kv", rules: migrate.Rules{OnConflict: gateway.ConflictFail, OnLoss: gateway.LossFail}, key: inventory.NewKey()}
	m.Gateway = gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "home", Kind: "memory", Backend: memory.New(memory.Options{})},
		{Name: "kv", Kind: "azurekv", Backend: open(t, azurekv.Driver, "kv", c)},
	}})
	return m, proxy, cloud
}

// TestLookBackFails: where the look after the write has no answer, the move looks in
// another way, and writes nothing again.
func TestLookBackFails(t *testing.T) {
	t.Parallel()
	m, proxy, _ := intoKeyVault(t)
	for _, v := range []string{"one", "two"} {
		got(m.Service.Put(t.Context(), owner, gateway.Ref{Store: "home", Name: "s"}, secret.Draft{Value: secret.TextValue(v)}))(t)
	}
	p := m.plan(t, time.Now)
	proxy.Count()
	met := proxy.Arm(faultproxy.FailedBefore, faultproxy.Reads, 3) // after the looks among what is live and what is deleted
	m.moved(t, p)
	<-met.Settled
	if writes, _ := proxy.Count(); writes != 2 {
		t.Errorf("%d writes", writes)
	}
}

// moved runs a plan of which nothing fails.
func (m *moves) moved(t *testing.T, p *planned) (requests int64) {
	t.Helper()
	results, requests := m.run(t, t.Context(), p)
	for name, r := range results {
		if r.Step != migrate.Done {
			t.Fatalf("%s: %+v", name, r)
		}
	}
	return requests
}
