package gateway_test

import (
	"errors"
	"testing"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// TestSealFor: a document is sealed for a repository whose key came wrapped, and
// not where the repository has it; it takes the right to back up.
func TestSealFor(t *testing.T) {
	t.Parallel()
	keys := backup.NewKeyring()
	rules := []access.Rule{
		{Callers: []string{"c"}, Allow: []string{"set", "backup"}, Stores: []string{"*"}, Names: []string{"*"}},
		{Callers: []string{"reader"}, Allow: []string{"get", "list"}, Stores: []string{"*"}, Names: []string{"*"}},
	}
	w := newWorld(t, func(o *gateway.Options) { o.Keyring = keys }, rules...)
	r := gateway.Ref{Store: "a", Name: "team/db"}
	put(t, w, r, "canary-1", "canary-2")
	key := backup.NewRepositoryKey()
	wrapped, _, err := keys.WrapRepositoryKey(key)
	if err != nil {
		t.Fatal(err)
	}
	first, err := w.SealFor(t.Context(), call, r, gateway.SealOptions{Key: wrapped})
	if err != nil || first.Versions != 2 {
		t.Fatal(first, err)
	}
	doc, err := key.Open(first.Blob)
	if err != nil || doc.Origin != (backup.Origin{Gateway: keys.GatewayID(), Store: "a", Name: "team/db"}) || len(doc.Secret.Versions) != 2 {
		t.Fatal(doc, err)
	}
	if name, err := key.Name(doc.Secret); err != nil || name != first.Document {
		t.Error("the document is called otherwise", err)
	}
	if _, err := keys.Open(first.Blob); err == nil {
		t.Error("the keyring opens it by itself")
	}
	if e := w.last(t); e.Action != "backup" || len(e.Versions) != 2 {
		t.Errorf("audited as %s of %v", e.Action, e.Versions)
	}
	again, err := w.SealFor(t.Context(), call, r, gateway.SealOptions{Key: wrapped, Known: first.Document})
	if err != nil || again.Blob != nil || again.Document != first.Document {
		t.Error("sealed again", err)
	}
	put(t, w, r, "canary-3")
	third, err := w.SealFor(t.Context(), call, r, gateway.SealOptions{Key: wrapped, Known: first.Document})
	if err != nil || third.Blob == nil || third.Document == first.Document {
		t.Error("a change is not seen", err)
	}
	reader := call
	reader.Caller.ID = "reader"
	_, err = w.SealFor(t.Context(), reader, r, gateway.SealOptions{Key: wrapped})
	wantKind(t, err, secret.Denied)
	foreign, _, err := backup.NewKeyring().WrapRepositoryKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.SealFor(t.Context(), call, r, gateway.SealOptions{Key: foreign}); !errors.Is(err, secret.NoKey) {
		t.Errorf("a key for another keyring: %v", err)
	}
	// What one keyring said of a key is not what the next one says of it.
	next, err := w.With(t.Context(), gateway.Next{
		Policy: access.NewPolicy(rules), Keyring: backup.NewKeyring(), Stores: []gateway.Store{{Name: "a", Kind: "memory"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := next.SealFor(t.Context(), call, r, gateway.SealOptions{Key: wrapped}); !errors.Is(err, secret.NoKey) {
		t.Errorf("the key of a keyring that is gone: %v", err)
	}
}
