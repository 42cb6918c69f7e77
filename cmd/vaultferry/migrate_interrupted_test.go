package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMigrateInterrupted: Ctrl-C at any moment leaves of a file that a command writes
// nothing or all, and nothing beside it. A run says how it goes on, and goes on so.
func TestMigrateInterrupted(t *testing.T) {
	t.Parallel()
	w := &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}
	w.file(t, w.config, commonConfig+"  - { name: a, backend: bolt, bolt: { path: a.db } }\n  - { name: b, backend: bolt, bolt: { path: b.db } }\n")
	at := func(file string) string { return filepath.Join(w.dir, file) }
	w.inside(t, exitDone, "keys", "new", "--output-file", at("keyring.json"))
	for i := range 5 {
		a, _, errOut := testApp(strings.NewReader("canary"))
		if code := a.run(t.Context(), []string{"set", "a", fmt.Sprintf("n%d", i), "--config", at(w.config)}); code != exitDone {
			t.Fatal(errOut)
		}
	}
	plan, run := at("move.plan"), []string{"migrate", "run", at("move.plan")}
	w.inside(t, exitDone, "migrate", "plan", "--from", "a", "--to", "b", "--output-file", plan)
	if n := w.interruptedAnywhere(t, 5, run, func(at int64, code int, said string) {
		if code == exitInterrupted && !strings.Contains(said, "to go on: vaultferry migrate run "+plan) {
			t.Errorf("interrupted at %d: it says %s", at, said)
		}
	}); n < 3 {
		t.Errorf("only %d runs were interrupted", n)
	}
	w.inside(t, exitDone, "migrate", "verify", plan)
	for _, c := range []struct {
		args  []string
		files []string
	}{
		{[]string{"inventory", "a", "--output-file"}, []string{"new"}},
		{[]string{"migrate", "plan", "--from", "a", "--to", "b", "--output-file"}, []string{"new"}},
		{[]string{"migrate", "report", plan, "--html", at("new.html"), "--output-file"}, []string{"new", "new.html", "new.source.inventory", "new.target.inventory"}},
		{[]string{"diff", "a", "b", "--list"}, []string{"new"}},
		{[]string{"migrate", "verify", plan, "--metrics-file"}, []string{"new"}},
		{[]string{"migrate", "rehearse", plan, "--error-file"}, []string{"new"}},
	} {
		t.Run(strings.Join(c.args[:2], " "), func(t *testing.T) {
			before := w.names(t)
			if n := w.interruptedAnywhere(t, 11, append(c.args, at("new")), func(at int64, code int, said string) {
				is := slices.DeleteFunc(w.names(t), func(n string) bool { return slices.Contains(before, n) })
				switch {
				case code == exitInterrupted && len(is) > 0 && !isWhole(is, c.files):
					t.Errorf("interrupted at %d: %q are left: %s", at, is, said)
				case code == exitDone && !slices.Equal(is, c.files):
					t.Errorf("interrupted at %d: %q are written, want %q", at, is, c.files)
				}
				for _, n := range is {
					if err := os.Remove(filepath.Join(w.dir, n)); err != nil {
						t.Fatal(err)
					}
				}
			}); n == 0 {
				t.Error("none was interrupted")
			}
		})
	}
	w.findCanaries(t)
}

// isWhole: some of the files, each under its own name.
func isWhole(is, files []string) bool {
	return !slices.ContainsFunc(is, func(n string) bool { return !slices.Contains(files, n) })
}

// names are what lies in the folder.
func (w *killWorld) names(t *testing.T) (names []string) {
	t.Helper()
	all, err := os.ReadDir(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		names = append(names, f.Name())
	}
	return names
}
