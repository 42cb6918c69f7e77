package azurekv

import (
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestStateNatively: the vault shows a state record as a secret that says whose
// it is. One that native tools deleted is none, and in the way until they purge
// it.
func TestStateNatively(t *testing.T) {
	t.Parallel()
	g := gatewaytest.New(t, gatewaytest.Options{})
	b := open(t, g)
	if err := b.WriteState(t.Context(), "n", []byte(`{"n":1}`), ""); err != nil {
		t.Fatal(err)
	}
	native := gateway.Call{Caller: access.Local("native"), Op: "native"}
	at := gateway.Ref{Store: "main", Name: statePrefix + "n"}
	s, err := g.Service.Get(t.Context(), native, at, secret.Current)
	if err != nil || s.Newest().ContentType != stateType || string(s.Newest().Value.Reveal()) != `{"n":1}` {
		t.Fatalf("the vault's own view of a state record: %v", err)
	}
	if _, err := g.Service.Delete(t.Context(), native, at); err != nil {
		t.Fatal(err)
	}
	_, _, err = b.ReadState(t.Context(), "n")
	wantKind(t, "ReadState of a deleted state record", err, secret.NotFound)
	wantKind(t, "WriteState over a deleted state record", b.WriteState(t.Context(), "n", []byte(`{}`), ""), secret.Trashed)
	if p, err := b.ListTrash(t.Context(), secret.Query{}); err != nil || len(p.Secrets) != 0 {
		t.Errorf("the trash shows the state record: %v", err)
	}
	if err := g.Service.Purge(t.Context(), native, at); err != nil {
		t.Fatal(err)
	}
	if err := b.WriteState(t.Context(), "n", []byte(`{}`), ""); err != nil {
		t.Errorf("WriteState after the purge: %v", err)
	}
}
