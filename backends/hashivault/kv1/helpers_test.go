package kv1

import (
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

func TestMain(m *testing.M) { vaulttest.Main(m) }

// fixture is a store over a fresh KV v1 mount, and a native client beside it.
type fixture struct {
	*Store
	server *vaulttest.Server
	native *api.Client
	kv     *api.KVv1
	conf   connection.Options
}

func newFixture(tb testing.TB, edit ...func(*connection.Options)) *fixture {
	tb.Helper()
	return over(tb, vaulttest.Shared(tb), edit...)
}

// over returns a fixture on a server of the test's own.
func over(tb testing.TB, server *vaulttest.Server, edit ...func(*connection.Options)) *fixture {
	tb.Helper()
	f := &fixture{server: server, native: server.Client(tb, vaulttest.RootToken)}
	f.conf = connection.Options{Address: server.Address, Mount: server.NewMountV1(tb), Field: connection.DefaultField, Token: secret.TextValue(vaulttest.RootToken)}
	for _, e := range edit {
		e(&f.conf)
	}
	f.kv, f.Store = f.native.KVv1(f.conf.Mount), f.open(tb, nil)
	return f
}

// open returns another gateway's view of the same mount.
func (f *fixture) open(tb testing.TB, base http.RoundTripper) *Store {
	tb.Helper()
	folder, err := connection.Open(backends.Env{Store: "test", Now: time.Now}, &f.conf, base)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = folder.Close() })
	return New(folder)
}

func (f *fixture) mustPut(tb testing.TB, name secret.Name, d secret.Draft) *secret.Version {
	tb.Helper()
	s, err := f.Put(tb.Context(), name, d)
	if err != nil {
		tb.Fatalf("Put: %v", err)
	}
	return &s.Versions[0]
}

func (f *fixture) mustGet(tb testing.TB, name secret.Name) *secret.Secret {
	tb.Helper()
	s, err := f.Get(tb.Context(), name, secret.Current)
	if err != nil {
		tb.Fatalf("Get: %v", err)
	}
	return s
}

func (f *fixture) nativePut(tb testing.TB, path string, data map[string]any) {
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
