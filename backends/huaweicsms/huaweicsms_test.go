package huaweicsms

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
		Writers: writers,
	})
}

// spoil begins an import that never ends: all writes but the first are lost.
func spoil(t *testing.T, g *gatewaytest.Gateway) []secret.LeftOut {
	t.Helper()
	b := open(t, g, func(c *Config) {
		c.wrap = func(next http.RoundTripper) http.RoundTripper { return &firstWrites{next: next, left: 2} }
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
