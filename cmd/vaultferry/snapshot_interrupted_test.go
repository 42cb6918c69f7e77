package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestSnapshotInterrupted: Ctrl-C at any moment of whatever works on a repository
// leaves nothing unfinished and no lock, and the repository sound; the same command
// again comes to its end.
func TestSnapshotInterrupted(t *testing.T) {
	t.Parallel()
	w := &killWorld{dir: t.TempDir(), config: "vaultferry.yaml"}
	w.file(t, w.config, commonConfig+"  - { name: a, backend: bolt, bolt: { path: a.db } }\n  - { name: b, backend: bolt, bolt: { path: b.db } }\n")
	w.inside(t, exitDone, "keys", "new", "--output-file", filepath.Join(w.dir, "keyring.json"))
	repo := filepath.Join(w.dir, "repo")
	w.inside(t, exitDone, "snapshot", "init", "--repo", repo)
	for i := range 5 {
		a, _, errOut := testApp(strings.NewReader("hush"))
		if code := a.run(t.Context(), []string{"set", "a", fmt.Sprintf("n%d", i), "--config", filepath.Join(w.dir, w.config)}); code != exitDone {
			t.Fatal(errOut)
		}
	}
	for _, args := range [][]string{
		{"snapshot", "create", "a", "--repo", repo},
		{"snapshot", "drill", "--repo", repo},
		{"snapshot", "restore", "--repo", repo, "--to", "b", "--from", "a", "--on-conflict", "skip"},
		{"snapshot", "check", "--repo", repo, "--read-data"},
		{"snapshot", "forget", "--repo", repo, "--keep-last", "1"},
		{"snapshot", "prune", "--repo", repo},
		{"keys", "rewrap", repo},
	} {
		t.Run(strings.Join(args[:2], " "), func(t *testing.T) { w.interruptedAt(t, repo, args) })
	}
}

// interruptedAt interrupts a command on a repository.
func (w *killWorld) interruptedAt(t *testing.T, repo string, args []string) {
	interrupted := w.interruptedAnywhere(t, 3, args, func(at int64, _ int, _ string) {
		left, err := os.ReadDir(filepath.Join(repo, "work"))
		if err != nil || len(left) > 0 {
			t.Errorf("interrupted at %d: %v is left, %v", at, left, err)
		}
		if lock, err := os.ReadFile(filepath.Join(repo, "lock")); err != nil || len(lock) > 0 {
			t.Errorf("interrupted at %d: the lock stays: %s %v", at, lock, err)
		}
		w.inside(t, exitDone, "snapshot", "check", "--repo", repo, "--read-data")
	})
	if interrupted == 0 || (args[1] == "create" && interrupted < 3) {
		t.Errorf("only %d were interrupted", interrupted)
	}
}

// interruptedAnywhere interrupts a command at its first look at the clock and each
// time so many later, until one comes to its end, and says how many did not. after is
// told of each.
func (w *killWorld) interruptedAnywhere(t *testing.T, later int64, args []string, after func(at int64, code int, said string)) (interrupted int) {
	t.Helper()
	for at := int64(0); ; at += later {
		ctx, interrupt := context.WithCancel(t.Context())
		a, _, errOut := testApp(nil)
		var asked atomic.Int64
		if at == 0 {
			interrupt()
		}
		a.now = func() time.Time {
			if asked.Add(1) == at {
				interrupt()
			}
			return time.Now()
		}
		code := a.run(ctx, append(slices.Clone(args), "--config", filepath.Join(w.dir, w.config)))
		ended := asked.Load() < at
		interrupt()
		after(at, code, errOut.String())
		switch {
		case code == exitInterrupted:
			interrupted++
		case code != exitDone:
			t.Fatalf("interrupted at %d: exit code %d: %s", at, code, errOut)
		}
		if ended {
			return interrupted
		}
	}
}
