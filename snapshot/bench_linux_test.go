package snapshot_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/inorder"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
	"golang.org/x/sys/unix"
)

// manyOf is a store of so many secrets, of which each has a value of the size.
func manyOf(n, size int) store {
	pad := strings.Repeat("x", size)
	all := make(store, n)
	for i := range all {
		all[i].name, all[i].value = secret.Name(fmt.Sprintf("team-%d/secret-%06d", i%10, i)), pad
	}
	// In bytewise order, as a walk over names is.
	sortStore(all)
	return all
}

func sortStore(all store) {
	by := map[byte]store{}
	for _, s := range all {
		by[s.name[5]] = append(by[s.name[5]], s)
	}
	at := 0
	for c := byte('0'); c <= '9'; c++ {
		at += copy(all[at:], by[c])
	}
}

// BenchmarkHistory: what each snapshot that is kept costs whoever opens a repository.
func BenchmarkHistory(b *testing.B) {
	w := newWorld(b)
	w.take(b, "main", manyOf(10_000, 20))
	for b.Loop() {
		h, err := w.History()
		if err != nil || len(h.Kept) != 1 {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheck: a check without data reads at 0.7 at least of what SHA-256 alone
// does over the same files, on as many cores.
func BenchmarkCheck(b *testing.B) {
	w := newWorld(b)
	w.take(b, "main", manyOf(4_000, 25<<10))
	var check, alone time.Duration
	var size int64
	for b.Loop() {
		start := time.Now()
		c, err := w.Check(b.Context(), snapshot.CheckOptions{})
		must(b, err)
		between := time.Now()
		must(b, sumAll(w.dir))
		check, alone = check+between.Sub(start), alone+time.Since(between)
		size = c.Bytes
	}
	b.SetBytes(size)
	b.ReportMetric(alone.Seconds()/check.Seconds(), "of-sha256")
}

// sumAll reads and hashes every file on all cores.
func sumAll(dir string) error {
	files := make(chan string, 64)
	errs := make(chan error, runtime.GOMAXPROCS(0))
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for file := range files {
				f, err := os.Open(file)
				if err == nil {
					_, err = io.Copy(sha256.New(), f)
					_ = f.Close()
				}
				if err != nil {
					select {
					case errs <- err:
					default:
					}
				}
			}
		})
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files <- path
		}
		return err
	})
	close(files)
	group.Wait()
	select {
	case first := <-errs:
		return first
	default:
		return err
	}
}

// BenchmarkDocuments: documents of 25 KiB come into the repository at half at least of
// what sealing them in a loop takes on the same cores; one sync is of a whole batch.
func BenchmarkDocuments(b *testing.B) {
	const n = 2_000
	w := newWorld(b)
	all := manyOf(n, 25<<10)
	key, _, err := w.Key()
	must(b, err)
	var seal, take, disk, cpuSeal, cpuTake time.Duration
	for i := 0; b.Loop(); i++ {
		for j := range all {
			all[j].value = fmt.Sprint(i) + all[j].value // all are new
		}
		start, cpuStart := time.Now(), processorTime()
		must(b, eachSealed(b, key, all, false, func(*snapshot.Entry, []byte) error { return nil }))
		sealed, cpuSealed := time.Now(), processorTime()
		written := w.takeSealed(b, key, all)
		taken := time.Now()
		cpuSeal, cpuTake = cpuSeal+cpuSealed-cpuStart, cpuTake+processorTime()-cpuSealed
		must(b, writeAll(b.TempDir(), n, written/n))
		seal, take, disk = seal+sealed.Sub(start), take+taken.Sub(sealed), disk+time.Since(taken)
	}
	b.ReportMetric(seal.Seconds()/take.Seconds(), "of-seal")
	b.ReportMetric(cpuSeal.Seconds()/cpuTake.Seconds(), "of-seal-cpu")
	b.ReportMetric(disk.Seconds()/take.Seconds(), "of-disk") // how much is the disk's alone
}

// processorTime is what the process has worked, whoever else uses the machine.
func processorTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// eachSealed seals on all cores, in order, as a command does.
func eachSealed(b *testing.B, key *backup.RepositoryKey, all store, named bool, each func(*snapshot.Entry, []byte) error) error {
	type one struct {
		e    *snapshot.Entry
		blob []byte
	}
	return inorder.Do(b.Context(), 32, func(_ context.Context, do func(int) error) error {
		for i := range all {
			if err := do(i); err != nil {
				return err
			}
		}
		return nil
	}, func(_ context.Context, i int) (one, error) {
		s := holding(all[i].name, all[i].value)
		d := &backup.Document{Origin: backup.Origin{Gateway: "g", Store: "main", Name: s.Name}, SealedAt: time.Unix(1796040000, 0), Secret: s}
		if !named {
			blob, err := key.Seal(d)
			return one{nil, blob}, err
		}
		p, err := key.Prepare(d)
		if err != nil {
			return one{}, err
		}
		blob, err := p.Seal()
		return one{&snapshot.Entry{Name: s.Name, Document: p.Name, Versions: 1}, blob}, err
	}, func(o one) error { return each(o.e, o.blob) })
}

// takeSealed takes a snapshot and returns the size of its documents.
func (w *world) takeSealed(b *testing.B, key *backup.RepositoryKey, all store) (size int) {
	b.Helper()
	w.under(b, func(lock *snapshot.Lock) {
		taken, err := w.Begin(lock, snapshot.Header{Gateway: "g", Store: "main", Product: "memory", By: "local:test", Begun: w.at})
		must(b, err)
		must(b, eachSealed(b, key, all, true, func(e *snapshot.Entry, blob []byte) error {
			size += len(blob)
			return taken.Add(e, blob)
		}))
		_, err = taken.Close(nil)
		must(b, err)
	})
	return size
}

// writeAll writes as many files of the size, and syncs each batch of 512 once.
func writeAll(dir string, n, size int) error {
	content := make([]byte, size)
	for i := range n {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), content, 0o600); err != nil {
			return err
		}
		if i%512 == 511 || i == n-1 {
			d, err := os.Open(dir)
			if err != nil {
				return err
			}
			if err := errors.Join(unix.Syncfs(int(d.Fd())), d.Close()); err != nil {
				return err
			}
		}
	}
	return nil
}

// BenchmarkMemory: what a snapshot of so many secrets keeps in memory for each, beyond
// what one of a tenth keeps.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		few, many := peak(b, 10_000), peak(b, 100_000)
		b.ReportMetric(float64(many-few)/90_000, "bytes/secret")
	}
}

// peak is the largest heap that lives while a second snapshot is taken, and checked.
func peak(b *testing.B, n int) (most uint64) {
	b.Helper()
	w := newWorld(b)
	all := manyOf(n, 20)
	w.take(b, "main", all)
	live := func() {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most = max(most, m.HeapAlloc)
	}
	live()
	before := most
	key, _, err := w.Key()
	must(b, err)
	_, lock, err := w.Lock(b.Context(), "local:test", "create")
	must(b, err)
	taken, err := w.Begin(lock, snapshot.Header{Gateway: "g", Store: "main", Product: "memory", By: "local:test", Begun: w.at})
	must(b, err)
	for i, s := range all {
		must(b, add(taken, key, "main", holding(s.name, s.value)))
		if i%(n/4) == 0 {
			live()
		}
	}
	_, err = taken.Close(nil)
	must(b, err)
	live()
	must(b, lock.Release())
	return most - before
}
