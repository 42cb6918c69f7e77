package vaulttest_test

import (
	"testing"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

func TestMain(m *testing.M) { vaulttest.Main(m) }

func TestServer(t *testing.T) {
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", "nobody's")
	t.Setenv("VAULT_NAMESPACE", "elsewhere")
	s := vaulttest.Shared(t)
	c := s.Client(t, vaulttest.RootToken)
	mount := s.NewMount(t)
	if _, err := c.KVv2(mount).Put(t.Context(), "a", map[string]any{"value": "x"}); err != nil {
		t.Fatal(err)
	}
	got, err := c.KVv2(mount).Get(t.Context(), "a")
	if err != nil || got.Data["value"] != "x" {
		t.Errorf("the value did not come back: %v", err)
	}
}

func TestSealAndStop(t *testing.T) {
	s := vaulttest.Start(t)
	s.Seal(t)
	c := s.Client(t, vaulttest.RootToken)
	if _, err := c.Sys().ListMounts(); err == nil {
		t.Error("a sealed server answers")
	}
	s.Stop()
	s.Stop()
	if _, err := c.Sys().Health(); err == nil {
		t.Error("a stopped server answers")
	}
}

// TestRaft: a standby serves, and what was written survives a seal.
func TestRaft(t *testing.T) {
	c := vaulttest.StartRaft(t, 2)
	active, standby := c.Nodes[0], c.Nodes[1]
	mount := active.NewMount(t)
	if _, err := standby.Client(t, vaulttest.RootToken).KVv2(mount).Put(t.Context(), "a", map[string]any{"value": "x"}); err != nil {
		t.Fatal(err)
	}
	one := vaulttest.StartRaft(t, 1)
	mount = one.Nodes[0].NewMount(t)
	kv := one.Nodes[0].Client(t, vaulttest.RootToken).KVv2(mount)
	if _, err := kv.Put(t.Context(), "a", map[string]any{"value": "x"}); err != nil {
		t.Fatal(err)
	}
	one.Nodes[0].Seal(t)
	one.Unseal(t, one.Nodes[0])
	if got, err := kv.Get(t.Context(), "a"); err != nil || got.Data["value"] != "x" {
		t.Errorf("the value did not survive: %v", err)
	}
}
