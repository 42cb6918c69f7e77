package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"

	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestReadDisabled: with read_disabled a backup of a vault brings out what is
// disabled, and the audit has an intent before and names each version that was
// enabled; a read-only store is not touched, and the loss foretold as without.
func TestReadDisabled(t *testing.T) {
	t.Parallel()
	vault := memory.New(memory.Options{})
	cloud := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{Name: "cloud", Kind: "memory", Backend: vault}}})
	c := overCloud(t, cloud)
	c.ReadDisabled = true
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "opened", Kind: "azurekv", Backend: open(t, azurekv.Driver, "opened", c)},
		{Name: "kept", Kind: "azurekv", Backend: open(t, azurekv.Driver, "kept", c), ReadOnly: true},
		{Name: "home", Kind: "memory", Backend: memory.New(memory.Options{})},
	}})
	suite := &keyVaultSuite{gateway: g}
	opened, home := suite.client(t, "opened"), suite.client(t, "home")
	for i, v := range []string{"one", "two", "three"} {
		setNative(t, opened, "s", v, i == 1)
	}

	_, err := suite.client(t, "kept").BackupSecret(t.Context(), "s", nil)
	wantCode(t, "a read-only store", err, 400, "BadParameter")
	if err == nil || !strings.Contains(err.Error(), "value of version 1") {
		t.Errorf("the loss is told as %v", err)
	}
	for _, e := range cloud.Audit.Entries(t) {
		if e.Action == "update" {
			t.Fatal("a read-only store was changed")
		}
	}

	blob := got(opened.BackupSecret(t.Context(), "s", nil))(t).Value
	if _, err := home.RestoreSecret(t.Context(), azsecrets.RestoreSecretParameters{SecretBackup: blob}, nil); err != nil {
		t.Fatal(err)
	}
	all := got(g.Service.Describe(t.Context(), owner, gateway.Ref{Store: "home", Name: "s"}))(t)
	for i, want := range []string{"one", "two", "three"} {
		v := &all.Versions[i]
		if v.Disabled != (i != 1) {
			t.Errorf("version %d came as disabled: %v", i+1, v.Disabled)
		}
		id := v.UID.String()
		if _, err := home.UpdateSecretProperties(t.Context(), "s", id, azsecrets.UpdateSecretPropertiesParameters{
			SecretAttributes: &azsecrets.SecretAttributes{Enabled: new(true)},
		}, nil); err != nil {
			t.Fatal(err)
		}
		if s := got(home.GetSecret(t.Context(), "s", id, nil))(t); *s.Value != want {
			t.Errorf("version %d came with another value", i+1)
		}
	}
	wasAudited(t, g)
	stands := got(vault.Export(t.Context(), "s"))(t)
	if v := stands.Versions; len(v) != 3 || !v[0].Disabled || v[1].Disabled || !v[2].Disabled {
		t.Error("the vault is not as it was")
	}
	for i := range stands.Versions {
		if strings.Contains(stands.Versions[i].Tags["vaultferry"], `"o":`) {
			t.Error("a mark was left")
		}
	}
}

func wasAudited(t *testing.T, g *gatewaytest.Gateway) {
	t.Helper()
	var phases []string
	var losses string
	for _, e := range g.Audit.Entries(t) {
		if e.Op == "azure.BackupSecret" && e.Store == "opened" {
			phases = append(phases, e.Phase+" "+e.Result)
			losses = strings.Join(e.Losses, "\n")
		}
	}
	if !slices.Equal(phases, []string{audit.Intent + " ", audit.Outcome + " ok"}) {
		t.Errorf("the audit has %q", phases)
	}
	if strings.Count(losses, "enabled for a moment") != 2 || !strings.Contains(losses, secret.Trace.String()+": native tools see another update time of version 1: ") ||
		!strings.Contains(losses, "version 3") {
		t.Errorf("the audit says of what was enabled: %q", losses)
	}
}
