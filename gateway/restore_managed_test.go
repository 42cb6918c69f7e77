package gateway_test

import (
	"encoding/json"
	"testing"

	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// TestRestoredIsNotManaged: no certificate manages a restored secret, however
// it was restored, and that is foretold as a trace.
func TestRestoredIsNotManaged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for _, extra := range []secret.Extra{
		secret.Extra{"azure.managed": json.RawMessage("true"), "test.kept": json.RawMessage("1")}.WithText("azure.kid", "https://v/keys/n/1"),
		{"azure.managed": json.RawMessage("true")},
		nil,
	} {
		if _, err := w.a.Backend.Put(t.Context(), "n", secret.Draft{Value: secret.TextValue("hush"), Extra: extra}); err != nil {
			t.Fatal(err)
		}
	}
	blob := backupOf(t, w, refA)
	put(t, w, gateway.Ref{Store: "b", Name: "appended"}, "hush other")
	for name, o := range map[secret.Name]gateway.RestoreOptions{
		"restored": {As: "restored"}, "appended": {As: "appended", OnConflict: gateway.ConflictAppend},
	} {
		for _, dry := range []bool{true, false} {
			o.DryRun = dry
			out, err := w.Restore(t.Context(), call, "b", blob, o)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if len(out.Losses) != 2 || secret.Worst(out.Losses) != secret.Trace || out.Losses[0].What != loss.Managed || out.Losses[1].Version != 2 {
				t.Errorf("%s: the losses are %v", name, out.Losses)
			}
		}
		s, err := w.b.Backend.Export(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for i := range s.Versions {
			e := s.Versions[i].Extra
			if e["azure.managed"] != nil || e["azure.kid"] != nil {
				t.Errorf("%s: version %d says that a certificate manages it", name, s.Versions[i].Ordinal)
			}
			kept += len(e)
		}
		if kept != 1 {
			t.Errorf("%s: %d other members are kept, want 1", name, kept)
		}
	}
	if s, _ := w.a.Backend.Export(t.Context(), "n"); s.Versions[0].Extra["azure.managed"] == nil {
		t.Error("the source is no longer managed")
	}
}
