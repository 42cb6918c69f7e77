package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vaultferry/vaultferry/internal/vaulttest"
)

// TestSnapshotLossy: what the product does not show any more fails a nightly job until
// somebody agrees to go without. Then the job is done, and the loss is still told. The
// same holds for each command that takes secrets out of a store.
func TestSnapshotLossy(t *testing.T) {
	t.Parallel()
	vault := vaulttest.Shared(t)
	mount := vault.NewMount(t)
	w := &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}
	w.file(t, "vault.token", vaulttest.RootToken)
	store := "  - { name: %s, backend: hashivault%s, hashivault: { address: %q, mount: %s, token: { file: vault.token } } }\n"
	w.file(t, w.config, commonConfig+fmt.Sprintf(store, "a", "", vault.Address, mount)+
		fmt.Sprintf(store, "agreed", ", on_loss: accept", vault.Address, mount)+"  - { name: b, backend: bolt, bolt: { path: b.db } }\n")
	at := func(name string) string { return filepath.Join(w.dir, name) }
	do := func(code int, input string, args ...string) (string, string) {
		t.Helper()
		a, out, errOut := testApp(strings.NewReader(input))
		if got := a.run(t.Context(), append(args, "--config", at(w.config))); got != code {
			t.Fatalf("%q: exit code %d, want %d: %s%s", args, got, code, out, errOut)
		}
		return out.String(), errOut.String()
	}
	do(exitDone, "", "keys", "new", "--output-file", at("keyring.json"))
	for _, value := range []string{"canary-one", "canary-two"} {
		do(exitDone, value, "set", "a", "db")
	}
	if _, err := vault.Client(t, vaulttest.RootToken).Logical().Write(mount+"/delete/db", map[string]any{"versions": []string{"1"}}); err != nil {
		t.Fatal(err)
	}
	repo := []string{"--repo", at("repo"), "--output", "json"}
	do(exitDone, "", append([]string{"snapshot", "init"}, repo...)...)
	const lost = "version 1"
	if _, said := do(exitFailed, "", append([]string{"snapshot", "create", "a"}, repo...)...); !strings.Contains(said, lost) {
		t.Errorf("a refusal does not say what would be lost: %s", said)
	}
	for _, args := range [][]string{{"a", "--on-loss", "accept"}, {"agreed"}} {
		out, said := do(exitDone, "", append(append([]string{"snapshot", "create"}, args...), repo...)...)
		if !strings.Contains(out, `"whole": false`) || !strings.Contains(out, lost) || !strings.Contains(said, lost) {
			t.Errorf("%v: the loss is not told: %s%s", args, out, said)
		}
	}
	shown, _ := do(exitDone, "", append([]string{"snapshot", "list"}, repo...)...)
	if strings.Count(shown, `"lacking": 1`) != 2 || strings.Contains(shown, `"whole": true`) {
		t.Errorf("the snapshots do not say that they lack something: %s", shown)
	}
	metrics := at("drill.prom")
	do(exitDone, "", append([]string{"snapshot", "drill", "--store", "a", "--metrics-file", metrics}, repo...)...)
	b, err := os.ReadFile(metrics)
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "vaultferry_snapshot_newest_timestamp_seconds{") && !strings.HasSuffix(line, "} 0\n") {
			known++
		}
	}
	if known != 2 {
		t.Errorf("the metrics know the newest snapshot of %d stores, though all was accepted in 2: %s", known, b)
	}
	forgotten, _ := do(exitDone, "", append([]string{"snapshot", "forget", "--keep-last", "1", "--dry-run"}, repo...)...)
	if !strings.Contains(forgotten, "newest as accepted") {
		t.Errorf("forget may lose the newest snapshot that is as accepted: %s", forgotten)
	}
	do(exitFailed, "", "backup", "a", "db", "--output-file", at("refused"))
	do(exitDone, "", "backup", "a", "db", "--on-loss", "accept", "--output-file", at("taken"))
	do(exitDone, "", "backup", "agreed", "db", "--output-file", at("agreed"))
	do(exitDone, "", "migrate", "plan", "--from", "a", "--to", "b", "--on-loss", "accept", "--output-file", at("p"))
	do(exitDone, "", "migrate", "run", at("p"))
	do(exitDone, "", "migrate", "verify", at("p"))
}
