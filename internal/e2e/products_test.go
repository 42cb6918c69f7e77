package e2e

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/azurekv"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/hashivault"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/postgrestest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

func TestMain(m *testing.M) {
	code := m.Run()
	vaulttest.StopShared()
	postgrestest.StopShared()
	os.Exit(code)
}

// products opens an empty store of each kind: the embedded ones, a fresh schema
// of a real database, a fresh mount of a real Vault server, and a vault and a CSMS that are our own dialects over
// memory.
var products = map[string]func(t testing.TB, name string) backends.Backend{
	"memory": func(t testing.TB, name string) backends.Backend {
		return open(t, memory.Driver, name, memory.Config{})
	},
	"bolt": func(t testing.TB, name string) backends.Backend {
		return open(t, bolt.Driver, name, bolt.Config{Path: filepath.Join(t.TempDir(), "store.db")})
	},
	"postgres": func(t testing.TB, name string) backends.Backend { return newSchema(t, name).open(t) },
	"hashivault": func(t testing.TB, name string) backends.Backend {
		server := vaulttest.Shared(t)
		return openVault(t, server, server.NewMount(t), name)
	},
	"azurekv": func(t testing.TB, name string) backends.Backend {
		return open(t, azurekv.Driver, name, overCloud(t, newCloud(t)))
	},
	"huaweicsms": func(t testing.TB, name string) backends.Backend {
		return open(t, huaweicsms.Driver, name, overCSMS(t, newCloud(t)))
	},
}

// newCloud is the gateway over memory that stands for a cloud.
func newCloud(t testing.TB) *gatewaytest.Gateway {
	t.Helper()
	return newCloudAt(t, time.Now)
}

// newCloudAt is newCloud where the time is what now says.
func newCloudAt(t testing.TB, now func() time.Time) *gatewaytest.Gateway {
	t.Helper()
	return gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{{
		Name: "cloud", Kind: "memory", Backend: memory.New(memory.Options{Now: now}), Concurrency: 64,
	}}})
}

// overCloud is the configuration of a store over the gateway that stands for
// Key Vault.
func overCloud(t testing.TB, cloud *gatewaytest.Gateway) azurekv.Config {
	t.Helper()
	c := azurekv.Config{}
	c.SetDefaults()
	c.VaultURL, c.CAFile = cloud.VaultURL("cloud"), caFile(t, cloud)
	c.Credential = azurekv.Credential{Kind: "token", Token: secret.TextValue(cloud.Token)}
	c.Dial = always(cloud.Address)
	return c
}

// overCSMS is the same for the gateway that stands for CSMS.
func overCSMS(t testing.TB, cloud *gatewaytest.Gateway) huaweicsms.Config {
	t.Helper()
	return huaweicsms.Config{
		Endpoint: cloud.Endpoint(), ProjectID: gatewaytest.Project("cloud"), CAFile: caFile(t, cloud),
		AccessKey: huaweicsms.AccessKey{ID: cloud.AccessKey, Secret: secret.TextValue(cloud.SecretKey)},
		Dial:      always(cloud.Address),
	}
}

// always dials one address, whatever is asked for.
func always(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

func openVault(t testing.TB, server *vaulttest.Server, mount, store string) backends.Backend {
	t.Helper()
	c := hashivault.Config{}
	c.SetDefaults()
	c.Address, c.Mount, c.Token = server.Address, mount, secret.TextValue(vaulttest.RootToken)
	return open(t, hashivault.Driver, store, c)
}

func caFile(t testing.TB, g *gatewaytest.Gateway) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, g.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// section is a store's configuration that is decoded already.
type section[C any] struct{ c C }

func (s section[C]) Decode(into any) error {
	p, ok := into.(*C)
	if !ok {
		return fmt.Errorf("want %T", p)
	}
	*p = s.c
	return nil
}

func open[C any](t testing.TB, d backends.Driver, store string, c C) backends.Backend {
	t.Helper()
	return openAt(t, d, store, c, time.Now)
}

func openAt[C any](t testing.TB, d backends.Driver, store string, c C, now func() time.Time) backends.Backend {
	t.Helper()
	b, err := d.Open(t.Context(), backends.Env{Store: store, Keys: gatewaytest.NewKeyring(t), Now: now}, section[C]{c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}
