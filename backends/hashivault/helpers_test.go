package hashivault

import (
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv2"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

func TestMain(m *testing.M) { vaulttest.Main(m) }

// fixture is a store over a fresh mount, and a native client beside it.
type fixture struct {
	*kv2.Store
	server *vaulttest.Server
	native *api.Client
	kv     *api.KVv2
	conf   Config
	now    func() time.Time // of the stores that are opened
}

func newFixture(tb testing.TB, edit ...func(*Config)) *fixture {
	tb.Helper()
	return over(tb, vaulttest.Shared(tb), edit...)
}

// over returns a fixture on a server of the test's own.
func over(tb testing.TB, server *vaulttest.Server, edit ...func(*Config)) *fixture {
	tb.Helper()
	f := &fixture{server: server, native: server.Client(tb, vaulttest.RootToken), now: time.Now}
	f.conf.SetDefaults()
	f.conf.Address, f.conf.Mount, f.conf.Token = server.Address, server.NewMount(tb), secret.TextValue(vaulttest.RootToken)
	for _, e := range edit {
		e(&f.conf)
	}
	if err := f.conf.Validate(); err != nil {
		tb.Fatal(err)
	}
	f.kv, f.Store = f.native.KVv2(f.conf.Mount), f.open(tb, nil)
	return f
}

// open returns another gateway's view of the same mount.
func (f *fixture) open(tb testing.TB, base http.RoundTripper) *kv2.Store {
	tb.Helper()
	folder, err := newFolder(backends.Env{Store: "test", Now: f.now}, &f.conf, base)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = folder.Close() })
	return kv2.New(folder)
}

func (f *fixture) mustPut(tb testing.TB, name secret.Name, d secret.Draft) *secret.Version {
	tb.Helper()
	s, err := f.Put(tb.Context(), name, d)
	if err != nil {
		tb.Fatalf("Put: %v", err)
	}
	return &s.Versions[0]
}

func (f *fixture) mustExport(tb testing.TB, name secret.Name) *secret.Secret {
	tb.Helper()
	s, err := f.Export(tb.Context(), name)
	if err != nil {
		tb.Fatalf("Export: %v", err)
	}
	return s
}
