package hashivault

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/hashivault/kv1"
	"github.com/vaultferry/vaultferry/internal/kvtest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestEngineIsDetected: the mount says which version it has, unless the
// configuration does, and then both must agree.
func TestEngineIsDetected(t *testing.T) {
	f := newFixture(t)
	v1, v2 := f.server.NewMountV1(t), f.conf.Mount
	for _, c := range []struct {
		kv      any
		mount   string
		product string // empty: refused
	}{
		{nil, v1, "HashiCorp Vault KV v1"},
		{"auto", v1, "HashiCorp Vault KV v1"},
		{1, v1, "HashiCorp Vault KV v1"},
		{2, v1, ""},
		{nil, v2, "HashiCorp Vault KV v2"},
		{"auto", v2, "HashiCorp Vault KV v2"},
		{2, v2, "HashiCorp Vault KV v2"},
		{1, v2, ""},
	} {
		f.conf.KV, f.conf.Mount = c.kv, c.mount
		b, err := open(t.Context(), backends.Env{Store: "s", Now: time.Now}, &f.conf)
		if c.product == "" {
			if !errors.Is(err, secret.Invalid) || !strings.Contains(secret.DetailOf(err), "KV version") {
				t.Errorf("kv %v: %v", c.kv, err)
			}
			continue
		}
		if err != nil || b.Capabilities().Product != c.product {
			t.Errorf("kv %v: %v", c.kv, err)
			continue
		}
		if err := b.Check(t.Context()); err != nil {
			t.Errorf("kv %v, Check: %v", c.kv, err)
		}
		if _, err := b.Put(t.Context(), secret.Name(fmt.Sprint("s-", c.kv)), kvtest.Text("x")); err != nil {
			t.Errorf("kv %v, Put: %v", c.kv, err)
		}
		_ = b.Close()
	}
}

// TestEngineInDoubt: a server that cannot say at the start is taken for
// version 2. What turns out otherwise is refused, and nothing is written.
func TestEngineInDoubt(t *testing.T) {
	f := newFixture(t)
	v1, v2 := f.server.NewMountV1(t), f.conf.Mount
	var down atomic.Bool
	f.conf.Address = kvtest.Front(t, f.server.Address, func(w http.ResponseWriter, _ *http.Request) bool {
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"errors":["Vault is sealed"]}`))
		}
		return down.Load()
	})
	for mount, sound := range map[string]bool{v1: false, v2: true} {
		f.conf.Mount = mount
		down.Store(true)
		b, err := open(t.Context(), backends.Env{Store: "s", Now: time.Now}, &f.conf)
		if err != nil {
			t.Fatalf("a gateway cannot start while Vault is down: %v", err)
		}
		defer func() { _ = b.Close() }()
		wantEach(t, "down", b, secret.Unavailable, "not ready")
		down.Store(false)
		if !sound {
			wantEach(t, "version 1", b, secret.Upstream, "start the gateway again")
			if list, err := f.native.Logical().List(mount); err != nil || list != nil {
				t.Errorf("something was written: %v", err)
			}
			continue
		}
		if _, err := b.Put(t.Context(), "s", kvtest.Text("x")); err != nil {
			t.Errorf("Put once Vault is back: %v", err)
		}
		ctx, count := backends.WithCallCount(t.Context())
		if _, err := b.Describe(ctx, "s"); err != nil || count() != 1 {
			t.Errorf("Describe takes %d requests: %v", count(), err)
		}
	}
}

// TestV1Prefix: KV v1 takes no path with two dots in a row.
func TestV1Prefix(t *testing.T) {
	f := newFixture(t)
	f.conf.Mount, f.conf.Prefix = f.server.NewMountV1(t), "a..b"
	if _, err := open(t.Context(), backends.Env{Store: "s", Now: time.Now}, &f.conf); !errors.Is(err, secret.Invalid) || !strings.Contains(err.Error(), "prefix") {
		t.Errorf("a prefix with two dots: %v", err)
	}
}

func (f *fixture) openV1(t *testing.T) *kv1.Store {
	t.Helper()
	folder, err := newFolder(backends.Env{Store: "test", Now: f.now}, &f.conf, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	return kv1.New(folder)
}

// TestV1States: what goes wrong with the server is said as over version 2.
func TestV1States(t *testing.T) {
	f := newFixture(t)
	f.conf.Mount = f.server.NewMountV1(t)
	wide := f.openV1(t)
	if _, err := wide.Put(t.Context(), "s", kvtest.Text("x")); err != nil {
		t.Fatal(err)
	}
	token := f.server.Token(t, f.server.Policy(t, `path "nothing/*" { capabilities = ["read"] }`))
	f.conf.Token = secret.TextValue(token)
	wantEach(t, "no right", f.openV1(t), secret.Upstream, "credentials")
	f.conf.Token = secret.TextValue(f.server.Token(t, f.server.Policy(t, fmt.Sprintf(`path "%s/*" { capabilities = ["create", "update", "read", "list", "delete"] }`, f.conf.Mount))))
	narrow := f.openV1(t)
	for _, c := range []struct {
		op   string
		call func() error
	}{
		{"Check", func() error { return narrow.Check(t.Context()) }},
		{"Put", func() error {
			_, err := narrow.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("y"), Disabled: true, Tags: map[string]string{"a": "b"}, Stages: []string{"blue"}})
			return err
		}},
		{"Get", func() error { _, err := narrow.Get(t.Context(), "s", secret.Current); return err }},
		{"Update", func() error {
			_, err := narrow.Update(t.Context(), "s", secret.Current, secret.Patch{Disabled: new(false)})
			return err
		}},
		{"List", func() error { _, err := narrow.List(t.Context(), secret.Query{}); return err }},
		{"Delete", func() error { _, err := narrow.Delete(t.Context(), "s", time.Now()); return err }},
		{"Purge", func() error { return narrow.Purge(t.Context(), "s") }},
	} {
		if err := c.call(); err != nil {
			t.Errorf("%s with the documented policy: %v", c.op, err)
		}
	}
	if err := f.native.Sys().Unmount(f.conf.Mount); err != nil {
		t.Fatal(err)
	}
	wantEach(t, "no mount", wide, secret.Upstream, "mount is not there")
}
