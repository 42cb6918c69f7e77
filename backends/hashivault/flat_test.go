package hashivault

import (
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// flatFixture is a store over a fresh KV v1 mount, and a native client beside it.
type flatFixture struct {
	*Flat
	server *vaulttest.Server
	native *api.Client
	kv     *api.KVv1
	conf   Config
}

func newFlatFixture(tb testing.TB, edit ...func(*Config)) *flatFixture {
	tb.Helper()
	server := vaulttest.Shared(tb)
	f := &flatFixture{server: server, native: server.Client(tb, vaulttest.RootToken)}
	f.conf.SetDefaults()
	f.conf.Address, f.conf.Mount, f.conf.KV = server.Address, server.NewMountV1(tb), 1
	f.conf.Token = secret.TextValue(vaulttest.RootToken)
	for _, e := range edit {
		e(&f.conf)
	}
	if err := f.conf.Validate(); err != nil {
		tb.Fatal(err)
	}
	f.kv, f.Flat = f.native.KVv1(f.conf.Mount), f.open(tb, nil)
	return f
}

// open returns another gateway's view of the same mount.
func (f *flatFixture) open(tb testing.TB, base http.RoundTripper) *Flat {
	tb.Helper()
	k, err := newCore(backends.Env{Store: "test", Now: time.Now}, &f.conf, base)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = k.Close() })
	return newFlat(k)
}

func (f *flatFixture) mustPut(tb testing.TB, name secret.Name, d secret.Draft) *secret.Version {
	tb.Helper()
	s, err := f.Put(tb.Context(), name, d)
	if err != nil {
		tb.Fatalf("Put: %v", err)
	}
	return &s.Versions[0]
}

func (f *flatFixture) mustGet(tb testing.TB, name secret.Name) *secret.Secret {
	tb.Helper()
	s, err := f.Get(tb.Context(), name, secret.Current)
	if err != nil {
		tb.Fatalf("Get: %v", err)
	}
	return s
}

func (f *flatFixture) nativePut(tb testing.TB, path string, data map[string]any) {
	tb.Helper()
	if err := f.kv.Put(tb.Context(), path, data); err != nil {
		tb.Fatalf("native put: %v", err)
	}
}

// everything is a draft that uses all that KV v1 has no place for.
func everything(value string) secret.Draft {
	return secret.Draft{
		Value: secret.TextValue(value), ContentType: "a/b", Tags: map[string]string{"a": "b"}, Disabled: true, Stages: []string{"blue"},
		OfSecret: &secret.Attributes{Description: "of the secret", Tags: map[string]string{"team": "x"}},
	}
}

func TestSuiteV1(t *testing.T) {
	backendtest.Run(t, backendtest.Harness{Writers: 8, Open: func(t *testing.T) backends.Backend { return newFlatFixture(t).Flat }})
}
