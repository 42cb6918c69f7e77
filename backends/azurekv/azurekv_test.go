package azurekv

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

// open returns the backend over our own Azure dialect over memory, through TLS
// and with the vendor's verification of the challenge on.
func open(t testing.TB, g *gatewaytest.Gateway, change ...func(*Config)) *Backend {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, g.CAPEM, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Config{VaultURL: g.VaultURL("main"), CAFile: ca, Dial: leadTo(g.Address)}
	c.SetDefaults()
	c.Credential = Credential{Kind: "token", Token: secret.TextValue(g.Token)}
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

func TestConformance(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, backendtest.Harness{
		Open: func(t *testing.T) backends.Backend { return open(t, gatewaytest.New(t, gatewaytest.Options{})) },
	})
}
