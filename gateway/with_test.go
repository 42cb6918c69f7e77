package gateway_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// closing counts how often it is closed.
type closing struct {
	backends.Backend
	closed atomic.Int64
}

func (c *closing) Close() error {
	c.closed.Add(1)
	return c.Backend.Close()
}

// TestWithStores: stores come, go, and change; those that stay keep what they hold,
// and only those that are gone are closed.
func TestWithStores(t *testing.T) {
	t.Parallel()
	stays, goes, changes := &closing{Backend: memory.New(memory.Options{})}, &closing{Backend: memory.New(memory.Options{})}, &closing{Backend: memory.New(memory.Options{})}
	w := newWorld(t, func(o *gateway.Options) {
		o.Stores = []gateway.Store{{Name: "stays", Kind: "memory", Backend: stays}, {Name: "goes", Kind: "memory", Backend: goes}, {Name: "changes", Kind: "memory", Backend: changes}}
	})
	put := func(s *gateway.Service, store string) error {
		_, err := s.Put(t.Context(), call, gateway.Ref{Store: store, Name: "n"}, secret.Draft{Value: secret.TextValue("v")})
		return err
	}
	for _, store := range w.Stores() {
		if err := put(w.Service, store); err != nil {
			t.Fatal(err)
		}
	}
	next, err := w.With(t.Context(), gateway.Next{
		Policy: access.NewPolicy([]access.Rule{everything}), Keyring: w.ring,
		Stores: []gateway.Store{
			{Name: "stays", Kind: "memory", ReadOnly: true},
			{Name: "changes", Kind: "memory", Backend: memory.New(memory.Options{})},
			{Name: "comes", Kind: "memory", Backend: memory.New(memory.Options{})},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	next.Begin()
	if err := put(w.Service, "goes"); err != nil {
		t.Errorf("a call that began before: %v", err)
	}
	if err := w.CloseAllBut(next); err != nil {
		t.Error(err)
	}
	if stays.closed.Load() != 0 || goes.closed.Load() != 1 || changes.closed.Load() != 1 {
		t.Errorf("closed: %d, %d and %d", stays.closed.Load(), goes.closed.Load(), changes.closed.Load())
	}
	for store, want := range map[string]error{"stays": secret.Denied, "goes": secret.NotFound, "changes": nil, "comes": nil} {
		if err := put(next, store); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", store, err, want)
		}
	}
	if sec, err := next.Get(t.Context(), call, gateway.Ref{Store: "stays", Name: "n"}, secret.Current); err != nil || len(sec.Versions) != 1 {
		t.Errorf("what stays: %v", err)
	}
	for _, bad := range [][]gateway.Store{{{Name: "new", Kind: "memory"}}, {{Name: "stays", Kind: "memory"}, {Name: "stays", Kind: "memory"}}} {
		if _, err := next.With(t.Context(), gateway.Next{Policy: access.NewPolicy(nil), Keyring: w.ring, Stores: bad}); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

// TestWithKeyring: a keyring that does not open a store that stays is refused; one
// that does seals and opens from then on.
func TestWithKeyring(t *testing.T) {
	t.Parallel()
	ring, err := backup.NewKeyringOf(backup.AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bolt.Open(t.Context(), backends.Env{Store: "s", Keys: ring, Now: time.Now}, &bolt.Config{Path: filepath.Join(t.TempDir(), "s.db")})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(o *gateway.Options) {
		o.Keyring, o.Stores = ring, []gateway.Store{{Name: "s", Kind: "bolt", Backend: b}}
	})
	with := func(k *backup.Keyring) (*gateway.Service, error) {
		return w.With(t.Context(), gateway.Next{Policy: access.NewPolicy([]access.Rule{everything}), Keyring: k, Stores: []gateway.Store{{Name: "s", Kind: "bolt"}}})
	}
	other, err := backup.NewKeyringOf(backup.AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := with(other); err == nil || !strings.Contains(err.Error(), "store s") {
		t.Errorf("a keyring without the store's key: %v", err)
	}
	more, _, err := ring.Add(backup.AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	next, err := with(more)
	if err != nil {
		t.Fatal(err)
	}
	next.Begin()
	ref := gateway.Ref{Store: "s", Name: "n"}
	if _, err := next.Put(t.Context(), call, ref, secret.Draft{Value: secret.TextValue("v")}); err != nil {
		t.Fatal(err)
	}
	blob, err := next.Backup(t.Context(), call, ref)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := more.Open(blob); err != nil {
		t.Error(err)
	}
	if found, err := b.(backends.WholeStore).Verify(context.Background()); err != nil || len(found.Damage) > 0 {
		t.Errorf("%v %v", found, err)
	}
}

// TestWithUnknownWrites: a write whose outcome nobody knew is known to the next
// service, which answers its repeat with the version that stands.
func TestWithUnknownWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1")
	lost := true
	w.a.After = func(_ context.Context, m string) error {
		if m == "Put" && lost {
			lost = false
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	d := draft("hush2")
	_, err := w.Put(t.Context(), call, refA, d)
	wantKind(t, err, secret.Unknown)
	next, err := w.With(t.Context(), gateway.Next{
		Policy: access.NewPolicy([]access.Rule{everything}), Keyring: w.ring,
		Stores: []gateway.Store{{Name: "b", Kind: "memory"}, {Name: "a", Kind: "memory", Concurrency: 3}},
	})
	if err != nil {
		t.Fatal(err)
	}
	next.Begin()
	made, err := next.Put(t.Context(), call, refA, d)
	if err != nil || made.Newest().Ordinal != 2 {
		t.Fatalf("%v, want the version that stands", err)
	}
	if page, err := next.Versions(t.Context(), call, refA, secret.Part{}); err != nil || len(page.Secret.Versions) != 2 {
		t.Errorf("it was written again: %v", err)
	}
}
