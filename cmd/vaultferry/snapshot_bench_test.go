package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/secret"
)

// benchSecrets is how many secrets the store holds.
const benchSecrets = 10_000

// filled is a gateway's folder with a bolt store of so many secrets.
func filled(b *testing.B, n int) (dir string, run func(args ...string) time.Duration) {
	b.Helper()
	dir = filepath.Join(b.TempDir(), "gw")
	config := filepath.Join(dir, "vaultferry.yaml")
	run = func(args ...string) time.Duration {
		b.Helper()
		a, _, errOut := testApp(nil)
		start := time.Now()
		if code := a.run(b.Context(), append(args, "--config", config)); code != exitDone {
			b.Fatalf("%q: %s", args, errOut)
		}
		return time.Since(start)
	}
	a, _, errOut := testApp(nil)
	if code := a.run(b.Context(), []string{"init", dir}); code != exitDone {
		b.Fatal(errOut)
	}
	a, _, _ = testApp(nil)
	a.configFile, a.timeout = config, time.Minute
	s, err := a.openSession(b.Context(), "main")
	if err != nil {
		b.Fatal(err)
	}
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(64)
	for i := range n {
		group.Go(func() error {
			name := secret.Name(fmt.Sprintf("team-%d/secret-%05d", i%10, i))
			_, err := s.service.Put(ctx, a.call("set"), gateway.Ref{Store: "main", Name: name}, secret.Draft{Value: secret.TextValue(fmt.Sprintf("value %d of no importance", i))})
			return err
		})
	}
	if err := errors.Join(group.Wait(), s.close()); err != nil {
		b.Fatal(err)
	}
	return dir, run
}

// BenchmarkSnapshotUnchanged: a second snapshot of an unchanged store costs at most
// 1.3 times an inventory of it.
func BenchmarkSnapshotUnchanged(b *testing.B) {
	dir, run := filled(b, benchSecrets)
	repo := filepath.Join(dir, "repo")
	run("snapshot", "init", "--repo", repo)
	first := run("snapshot", "create", "main", "--repo", repo)
	var inventory, again, cpuInventory, cpuAgain time.Duration
	rounds := 0
	for b.Loop() {
		start := processorTime()
		inventory += run("inventory", "main", "--output-file", filepath.Join(dir, "i"), "--force")
		between := processorTime()
		again += run("snapshot", "create", "main", "--repo", repo)
		cpuInventory, cpuAgain = cpuInventory+between-start, cpuAgain+processorTime()-between
		rounds++
	}
	b.ReportMetric(again.Seconds()/inventory.Seconds(), "inventories")
	b.ReportMetric(cpuAgain.Seconds()/cpuInventory.Seconds(), "inventories-cpu")
	b.ReportMetric(first.Seconds(), "first-s")
	b.ReportMetric(again.Seconds()/float64(rounds), "again-s")
	b.ReportMetric(run("snapshot", "check", "--repo", repo).Seconds(), "check-s")
}

// processorTime is what the process has worked, whoever else uses the machine.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSnapshotRestore: a restore of a snapshot into bolt is at least 8 times as
// fast as "restore" of as many files.
func BenchmarkSnapshotRestore(b *testing.B) {
	const n = 10_000
	dir, run := filled(b, n)
	repo, config, files := filepath.Join(dir, "repo"), filepath.Join(dir, "vaultferry.yaml"), b.TempDir()
	run("snapshot", "init", "--repo", repo)
	run("snapshot", "create", "main", "--repo", repo)
	a, _, _ := testApp(nil)
	a.configFile, a.timeout = config, time.Minute
	s, err := a.openSession(b.Context(), "main")
	if err != nil {
		b.Fatal(err)
	}
	args := []string{"restore", "main"}
	for i := range n {
		name := secret.Name(fmt.Sprintf("team-%d/secret-%05d", i%10, i))
		blob, _, err := s.service.BackupWith(b.Context(), a.call("backup"), gateway.Ref{Store: "main", Name: name}, gateway.BackupOptions{})
		file := filepath.Join(files, fmt.Sprint(i))
		if err = errors.Join(err, writeFile(file, blob, false)); err != nil {
			b.Fatal(err)
		}
		args = append(args, file)
	}
	if err := s.close(); err != nil {
		b.Fatal(err)
	}
	empty := func() {
		if err := os.Remove(filepath.Join(dir, "main.db")); err != nil {
			b.Fatal(err)
		}
	}
	var loop, all time.Duration
	for b.Loop() {
		empty()
		loop += run(args...)
		empty()
		all += run("snapshot", "restore", "--repo", repo, "--to", "main")
	}
	b.ReportMetric(loop.Seconds()/all.Seconds(), "times-as-fast")
}
