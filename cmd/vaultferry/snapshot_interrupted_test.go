package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestSnapshotInterrupted: Ctrl-C at any moment of a create leaves nothing
// unfinished and no lock, and the repository sound.
func TestSnapshotInterrupted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "gw")
	repo, config := filepath.Join(t.TempDir(), "repo"), filepath.Join(dir, "vaultferry.yaml")
	run := func(in string, args ...string) {
		t.Helper()
		a, _, errOut := testApp(strings.NewReader(in))
		if code := a.run(t.Context(), append(args, "--config", config)); code != exitDone {
			t.Fatalf("%q: %s", args, errOut)
		}
	}
	a, _, errOut := testApp(nil)
	if code := a.run(t.Context(), []string{"init", dir}); code != exitDone {
		t.Fatal(errOut)
	}
	run("", "snapshot", "init", "--repo", repo)
	for i := range 5 {
		run("hush", "set", "main", fmt.Sprintf("n%d", i))
	}
	interrupted := 0
	for at := int64(1); ; at += 3 {
		ctx, interrupt := context.WithCancel(t.Context())
		a, _, errOut := testApp(nil)
		var asked atomic.Int64
		a.now = func() time.Time {
			if asked.Add(1) == at {
				interrupt()
			}
			return time.Now()
		}
		code := a.run(ctx, []string{"snapshot", "create", "main", "--repo", repo, "--config", config})
		left, err := os.ReadDir(filepath.Join(repo, "work"))
		if err != nil || len(left) > 0 {
			t.Errorf("interrupted at %d: %v is left, %v", at, left, err)
		}
		if lock, err := os.ReadFile(filepath.Join(repo, "lock")); err != nil || len(lock) > 0 {
			t.Errorf("interrupted at %d: the lock stays: %s %v", at, lock, err)
		}
		run("", "snapshot", "check", "--repo", repo, "--read-data")
		ended := asked.Load() < at
		interrupt()
		switch {
		case code == exitInterrupted:
			interrupted++
		case code != exitDone:
			t.Fatalf("interrupted at %d: exit code %d: %s", at, code, errOut)
		}
		if ended {
			break
		}
	}
	if interrupted < 3 {
		t.Errorf("only %d were interrupted", interrupted)
	}
}
