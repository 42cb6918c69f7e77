package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/dialects/wire"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// behind is a gateway with a store over a chain of that many others, the last of
// them over memory that holds what the product does.
func behind(t *testing.T, layers int, product string) *gatewaytest.Gateway {
	t.Helper()
	b := memory.New(memory.Options{}).Imitate(all.Profiles()[product])
	for range layers {
		cloud := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "cloud", Kind: "any", Backend: b}}})
		b = open(t, azurekv.Driver, "chained", overCloud(t, cloud))
	}
	return gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "main", Kind: "azurekv", Backend: b, OnLoss: gateway.LossAccept}}})
}

// TestRestoresBehindGateways: what a dry run says of a restore through a chain of
// gateways is what the restore does.
func TestRestoresBehindGateways(t *testing.T) {
	t.Parallel()
	g := behind(t, 3, "azurekv")
	for n := range 16 {
		name := secret.Name(fmt.Sprint("s", n))
		s := backendtest.Sample(name)
		for i := range s.Versions {
			s.Versions[i].Tags = map[string]string{}
			for k := range n {
				s.Versions[i].Tags[fmt.Sprint("k", k)] = "v"
			}
		}
		blob := got(g.Keyring.Seal(&backup.Document{
			Origin: backup.Origin{Gateway: g.Service.Gateway(), Store: "home", Name: name}, SealedAt: time.Now().UTC(), Secret: s,
		}))(t)
		would, err := g.Service.Restore(t.Context(), owner, "main", blob, gateway.RestoreOptions{DryRun: true})
		if err != nil {
			t.Fatalf("%d tags: %v", n, err)
		}
		out, err := g.Service.Restore(t.Context(), owner, "main", blob, gateway.RestoreOptions{})
		if err != nil {
			t.Fatalf("%d tags: the dry run foretold %d losses, and the restore says %v", n, len(would.Losses), err)
		}
		if len(out.Losses) != len(would.Losses) {
			t.Errorf("%d tags: %d losses were foretold, and %d came", n, len(would.Losses), len(out.Losses))
		}
	}
}

// TestReasonBehindAGateway: why the gateway behind refuses reaches the client of
// the one in front.
func TestReasonBehindAGateway(t *testing.T) {
	t.Parallel()
	g := behind(t, 2, "csms")
	const why = "CSMS holds expiry times from 1970 to 2286"
	_, err := g.Service.Put(t.Context(), owner, gateway.Ref{Store: "main", Name: "s"}, secret.Draft{
		Value: secret.TextValue("canary"), Expires: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC),
	})
	if d := secret.DetailOf(err); !strings.Contains(d, "(BadParameter)") || !strings.Contains(d, why) || strings.Contains(fmt.Sprint(err), "canary") {
		t.Errorf("it is told %q", d)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, g.VaultURL("main")+"/secrets/s?api-version=7.4", strings.NewReader(`{"value":"canary","attributes":{"exp":-1}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+g.Token)
	resp, err := g.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if said := resp.Header.Get(wire.ReasonHeader); resp.StatusCode != http.StatusBadRequest || !strings.Contains(said, why) || strings.Contains(said, "canary") {
		t.Errorf("%d with the reason %q", resp.StatusCode, said)
	}
	if e := g.Audit.EntriesOf(t, "main"); !strings.Contains(e[len(e)-1].Reason, why) {
		t.Errorf("the audit's reason is %q", e[len(e)-1].Reason)
	}
}
