package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// TestForetoldRequests: between every two products a run makes as many requests as its
// plan foretold, where it creates secrets and where it adds versions to them. TestRequests
// holds that what is counted is what goes out.
func TestForetoldRequests(t *testing.T) {
	t.Parallel()
	var stores []gateway.Store
	for _, p := range countedProducts {
		for _, side := range []string{"from", "to"} {
			stores = append(stores, gateway.Store{Name: side + "-" + p.kind, Kind: p.kind, Backend: p.open(t).Backend})
		}
	}
	g := gatewaytest.New(t, gatewaytest.Options{Stores: stores})
	write := func(kind, name string, versions int) {
		if kind == "hashivault1" { // it keeps one
			versions = min(versions, 1)
		}
		for v := range versions {
			d := secret.Draft{Value: secret.TextValue(fmt.Sprint(name, v, time.Now())), ContentType: "text/plain"}
			got(g.Service.Put(t.Context(), owner, gateway.Ref{Store: "from-" + kind, Name: secret.Name(name)}, d))(t)
		}
	}
	pairs := func(what string, does migrate.Action) {
		t.Helper()
		for _, from := range countedProducts {
			for _, to := range countedProducts {
				m := &moves{
					Gateway: g, from: "from-" + from.kind, to: "to-" + to.kind, prefix: from.kind + "-", key: inventory.NewKey(),
					rules: migrate.Rules{OnConflict: gateway.ConflictFail, OnLoss: gateway.LossAccept},
				}
				p := m.plan(t, time.Now)
				makes := m.moved(t, p)
				t.Logf("%s from %s to %s: %d requests", what, from.kind, to.kind, makes)
				if makes != p.end.Requests {
					t.Errorf("%s from %s to %s: %d requests were foretold, and %d were made", what, from.kind, to.kind, p.end.Requests, makes)
				}
				one := from.kind == "hashivault1" || to.kind == "hashivault1"
				if p.end.Act == 0 && (!one || does == migrate.DoCreate) {
					t.Errorf("%s from %s to %s: there is nothing to do", what, from.kind, to.kind)
				}
				for name, e := range p.entries {
					if e.Action != "" && e.Action != does {
						t.Errorf("%s from %s to %s: %s: %+v", what, from.kind, to.kind, name, e)
					}
				}
			}
		}
	}
	for _, p := range countedProducts {
		write(p.kind, "one", 1)
		write(p.kind, "three", 3)
	}
	pairs("new secrets", migrate.DoCreate)
	for _, p := range countedProducts {
		if p.kind != "hashivault1" {
			write(p.kind, "one", 2)
			write(p.kind, "three", 1)
		}
	}
	pairs("versions that came since", migrate.DoAppend)
}
