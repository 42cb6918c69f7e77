package huaweicsms

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// open returns the backend over our own Huawei dialect over memory, through TLS
// and with every request signed and verified.
func open(t testing.TB, g *gatewaytest.Gateway, change ...func(*Config)) *Backend {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, g.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Config{
		Endpoint: g.Endpoint(), ProjectID: gatewaytest.Project("main"), CAFile: ca, Dial: leadTo(g.Address),
		AccessKey: AccessKey{ID: g.AccessKey, Secret: secret.TextValue(g.SecretKey)},
	}
	c.SetDefaults()
	for _, f := range change {
		f(c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	b, err := New(backends.Env{Store: "test", Now: time.Now}, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// leadTo leads every host name to one address, as no resolver knows *.localhost.
func leadTo(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// writers leave room for what else the suite writes to one name of 20 versions.
const writers = 16

func TestConformance(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, backendtest.Harness{
		Open:    func(t *testing.T) backends.Backend { return open(t, gatewaytest.New(t, gatewaytest.Options{})) },
		Writers: writers,
	})
}
