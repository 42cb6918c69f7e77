package main

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// readerFunc is a pipe that somebody else holds open.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// TestInterruptedRestoreReports: what was done, what was being done, and what
// was not tried.
func TestInterruptedRestoreReports(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gw")
	file := filepath.Join(dir, "one")
	a, _, errOut := testApp(strings.NewReader("hush"))
	for _, args := range [][]string{
		{"init", dir},
		{"set", "main", "db"},
		{"backup", "main", "db", "--output-file", file},
	} {
		if code := a.run(t.Context(), append(args, "--config", filepath.Join(dir, "vaultferry.yaml"))); code != exitDone {
			t.Fatalf("%q: %s", args, errOut)
		}
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	a, out, errOut := testApp(readerFunc(func([]byte) (int, error) {
		interrupt()
		<-t.Context().Done()
		return 0, t.Context().Err()
	}))
	code := a.run(ctx, []string{
		"restore", "main", file, "-", file, "absent", "--on-conflict", "skip", "--output", "json",
		"--config", filepath.Join(dir, "vaultferry.yaml"),
	})
	var reports []restoreReport
	if err := json.Unmarshal(out.Bytes(), &reports); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var results []string
	for _, r := range reports {
		results = append(results, r.Result)
	}
	if got := strings.Join(results, ", "); code != exitInterrupted || got != "skipped, interrupted, not tried, not tried" {
		t.Errorf("exit code %d, %s", code, got)
	}
	if said := errOut.String(); !strings.Contains(said, "not tried: 2") || !strings.Contains(said, "interrupted") {
		t.Errorf("it says %s", said)
	}
}
