package azurekv

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/kit"
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
	var gateways sync.Map
	backendtest.Run(t, backendtest.Harness{
		Open: func(t *testing.T) backends.Backend {
			g := gatewaytest.New(t, gatewaytest.Options{})
			b := open(t, g)
			gateways.Store(b, g)
			return b
		},
		Spoil: func(t *testing.T, b backends.Backend) []secret.LeftOut {
			g, _ := gateways.Load(b)
			return spoil(t, g.(*gatewaytest.Gateway))
		},
	})
}

// spoil begins an import that never ends: all writes but the first are lost.
func spoil(t *testing.T, g *gatewaytest.Gateway) []secret.LeftOut {
	t.Helper()
	b := open(t, g, func(c *Config) {
		c.wrap = func(next http.RoundTripper) http.RoundTripper { return &firstWrites{next: next, left: 1} }
	})
	s := backendtest.Sample("spoilt-half")
	if _, err := b.Import(t.Context(), s, "t"); !kit.Is(err, secret.Partial, secret.Unknown) {
		t.Fatalf("the import is not unfinished: %v", err)
	}
	return []secret.LeftOut{{Why: secret.LeftOutUnfinished, Name: s.Name}}
}

// firstWrites loses every write after the first few.
type firstWrites struct {
	next http.RoundTripper
	left int
}

func (f *firstWrites) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodGet && r.Header.Get("Authorization") != "" {
		if f.left--; f.left < 0 {
			_, _ = io.Copy(io.Discard, r.Body)
			return nil, errors.Join(io.ErrUnexpectedEOF, r.Body.Close())
		}
	}
	return f.next.RoundTrip(r)
}
