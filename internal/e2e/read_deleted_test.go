package e2e

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestReadDeleted: a version that native tools deleted stops a backup, unless
// that is accepted, or the version is undeleted to be read. What is lost is said
// in the same words at the backup and at the restore.
func TestReadDeleted(t *testing.T) {
	t.Parallel()
	server := vaulttest.Shared(t)
	mount := server.NewMount(t)
	kv := server.Client(t, vaulttest.RootToken).KVv2(mount)
	b := openVault(t, server, mount, "vault")
	g := gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "vault", Kind: "hashivault", Backend: b},
		{Name: "shut", Kind: "hashivault", Backend: b, ReadOnly: true},
		{Name: "to", Kind: "memory", Backend: memory.New(memory.Options{})},
	}})
	for _, v := range []string{"canary-1", "canary-2", "canary-3"} {
		if _, err := kv.Put(t.Context(), "s", map[string]any{"value": v}); err != nil {
			t.Fatal(err)
		}
	}
	if err := kv.DeleteVersions(t.Context(), "s", []int{2}); err != nil {
		t.Fatal(err)
	}
	call := gateway.Call{Caller: access.Caller{ID: "test"}, Op: "test"}
	backup := func(store string, o gateway.BackupOptions) ([]byte, *audit.Entry, error) {
		blob, _, err := g.Service.BackupWith(t.Context(), call, gateway.Ref{Store: store, Name: "s"}, o)
		all := g.Audit.EntriesOf(t, store)
		return blob, &all[len(all)-1], err
	}
	_, _, err := backup("vault", gateway.BackupOptions{})
	if !errors.Is(err, secret.Lossy) || !strings.Contains(secret.DetailOf(err), "native tools deleted this version") {
		t.Fatalf("Backup: %v", err)
	}
	blob, told, err := backup("vault", gateway.BackupOptions{OnLoss: gateway.LossAccept})
	if err != nil || len(told.Losses) != 1 {
		t.Fatalf("the audit of what is accepted says %q: %v", told.Losses, err)
	}
	out, err := g.Service.Restore(t.Context(), call, "to", blob, gateway.RestoreOptions{As: "without"})
	if err != nil || len(out.Losses) != 1 || !strings.HasSuffix(told.Losses[0], out.Losses[0].Sentence()) {
		t.Errorf("the restore says %v, the backup said %q: %v", out.Losses, told.Losses, err)
	}
	if _, _, err := backup("shut", gateway.BackupOptions{ReadDeleted: true}); !errors.Is(err, secret.Denied) {
		t.Errorf("Backup of a read-only store: %v", err)
	}
	blob, told, err = backup("vault", gateway.BackupOptions{ReadDeleted: true})
	if err != nil || len(told.Losses) != 1 || !strings.HasPrefix(told.Losses[0], "trace: ") || !strings.Contains(told.Losses[0], "undeleted for a moment") {
		t.Fatalf("the audit of what is undeleted says %q: %v", told.Losses, err)
	}
	if !slices.ContainsFunc(g.Audit.EntriesOf(t, "vault"), func(e audit.Entry) bool { return e.Phase == audit.Intent && e.Action == "backup" }) {
		t.Error("the change has no intent")
	}
	if _, err := g.Service.Restore(t.Context(), call, "to", blob, gateway.RestoreOptions{As: "with"}); err != nil {
		t.Fatal(err)
	}
	got, err := g.Service.Get(t.Context(), call, gateway.Ref{Store: "to", Name: "with"}, secret.ByOrdinal(2))
	if err != nil || string(got.Versions[0].Value.Reveal()) != "canary-2" {
		t.Errorf("version 2 is not what it was: %v", err)
	}
	if m, err := kv.GetMetadata(t.Context(), "s"); err != nil || m.Versions["2"].DeletionTime.IsZero() {
		t.Errorf("version 2 is not deleted any more: %v", err)
	}
}
