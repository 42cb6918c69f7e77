package e2e

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/internal/vaulttest"
	"github.com/vaultferry/vaultferry/secret"
)

// TestLimitOfAKey: somebody set max_versions of a key in Vault. What a write
// pushes out is named in the audit and, where the store archives, comes back
// from the archive; an append pushes nothing out.
func TestLimitOfAKey(t *testing.T) {
	t.Parallel()
	server := vaulttest.Shared(t)
	mount := server.NewMount(t)
	native := server.Client(t, vaulttest.RootToken)
	g := gatewaytest.New(t, gatewaytest.Options{Archive: archive.Dir(t.TempDir()), Stores: []gateway.Store{
		{Name: "vault", Kind: "hashivault", Backend: openVault(t, server, mount, "vault"), OnLoss: gateway.LossArchive},
	}})
	call := gateway.Call{Caller: access.Caller{ID: "test"}, Op: "test"}
	ref := gateway.Ref{Store: "vault", Name: "s"}
	if _, err := native.Logical().Write(mount+"/metadata/s", map[string]any{"max_versions": 2}); err != nil {
		t.Fatal(err)
	}
	blobs := map[int][]byte{}
	for i := 1; i <= 3; i++ {
		if _, err := g.Service.Put(t.Context(), call, ref, secret.Draft{Value: secret.TextValue(fmt.Sprint("canary-", i))}); err != nil {
			t.Fatal(err)
		}
		blob, err := g.Service.Backup(t.Context(), call, ref)
		if err != nil {
			t.Fatal(err)
		}
		blobs[i] = blob
	}
	var pushed []string
	file := ""
	for _, e := range g.Audit.EntriesOf(t, "vault") {
		if e.Action == "set" {
			pushed = append(pushed, e.Losses...)
			file += e.Archive
		}
	}
	if len(pushed) != 1 || !strings.HasPrefix(pushed[0], "data: version 1 is not kept: ") {
		t.Fatalf("the audit names %q", pushed)
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := g.Service.Restore(t.Context(), call, "vault", kept, gateway.RestoreOptions{As: "again"})
	if err != nil || len(out.Secret.Versions) != 1 || out.Secret.Versions[0].Ordinal != 1 {
		t.Errorf("what was pushed out does not come back: %v", err)
	}
	for _, dry := range []bool{true, false} {
		_, err = g.Service.Restore(t.Context(), call, "vault", blobs[1], gateway.RestoreOptions{OnConflict: gateway.ConflictAppend, OnLoss: gateway.LossFail, DryRun: dry})
		if !errors.Is(err, secret.Lossy) || !strings.Contains(secret.DetailOf(err), "holds 2 versions") {
			t.Errorf("dry run %v of an append that has no room: %v", dry, err)
		}
	}
}
