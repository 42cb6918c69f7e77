package audit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit"
)

func open(t *testing.T, path string) *audit.Log {
	t.Helper()
	l, err := audit.Open(path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// verify reads the file as docs/audit.md says: every line chained to the one
// before.
func verify(t *testing.T, path string) []audit.Entry {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return chained(t, text)
}

func chained(t *testing.T, text []byte) []audit.Entry {
	t.Helper()
	var all []audit.Entry
	sum := sha256.Sum256(nil)
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		var e audit.Entry
		if json.Unmarshal(line, &e) == nil {
			if e.Chain != hex.EncodeToString(sum[:]) {
				t.Fatalf("line %d is not chained", len(all)+1)
			}
			all = append(all, e)
		}
		sum = sha256.Sum256(line)
	}
	return all
}

func TestConcurrentWritersMakeOneChain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for range 20 {
				if err := l.Write(audit.Entry{Phase: audit.Intent, Caller: "c", Op: "o"}, i%2 == 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all := verify(t, path)
	if len(all) != 640 {
		t.Fatalf("%d lines", len(all))
	}
	for i, e := range all {
		if e.Seq != uint64(i+1) || e.V != 1 || e.Time.IsZero() {
			t.Fatalf("line %d has seq %d", i+1, e.Seq)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
}

func TestTwoProcessesMakeOneChain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	var wg sync.WaitGroup
	for range 4 { // each has a descriptor and a lock of its own, as processes do
		l := open(t, path)
		wg.Go(func() {
			for range 50 {
				if err := l.Write(audit.Entry{Op: "o"}, false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all := verify(t, path)
	if len(all) != 200 || all[199].Seq != 200 {
		t.Fatalf("%d lines, the last has seq %d", len(all), all[len(all)-1].Seq)
	}
}

func TestReopenContinuesAndKeepsATornLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	for range 2 {
		l := open(t, path)
		if err := l.Write(audit.Entry{Op: "a"}, true); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"v":1,"chain":"ab`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	l := open(t, path)
	if err := l.Write(audit.Entry{Op: "b"}, true); err != nil {
		t.Fatal(err)
	}
	all := verify(t, path)
	if len(all) != 3 || all[2].Seq != 4 {
		t.Fatalf("%d lines, the last has seq %d; the torn one counts", len(all), all[len(all)-1].Seq)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("not an audit file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Open(path, time.Now); err == nil {
		t.Error("a file that is no audit log is appended to")
	}
	if _, err := audit.Open(filepath.Join(path, "y"), time.Now); err == nil {
		t.Error("a path that cannot exist is opened")
	}
}

// full is a disk that takes so many writes.
type full struct {
	left, part atomic.Int64
	failed     error
	text       bytes.Buffer
}

func (f *full) Write(p []byte) (int, error) {
	if f.left.Add(-1) < 0 {
		n := min(int(f.part.Swap(0)), len(p))
		f.text.Write(p[:n])
		return n, f.failed
	}
	return f.text.Write(p)
}
func (f *full) Sync() error  { return nil }
func (f *full) Close() error { return nil }

// TestAFailureIsToldAndOvercome: while lines cannot be written no call is
// answered; afterwards a line tells of the gap.
func TestAFailureIsToldAndOvercome(t *testing.T) {
	t.Parallel()
	disk := &full{failed: errors.New("no space left")}
	disk.left.Store(1)
	l := audit.New(disk, time.Now)
	if err := l.Write(audit.Entry{Op: "a"}, true); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := l.Write(audit.Entry{Op: "b"}, true); !errors.Is(err, disk.failed) {
			t.Errorf("the failure is not told: %v", err)
		}
	}
	if l.Healthy() == nil {
		t.Error("a log that cannot write calls itself healthy")
	}
	disk.left.Store(10)
	if err := l.Healthy(); err != nil {
		t.Errorf("there is room again, and %v", err)
	}
	if err := l.Write(audit.Entry{Op: "c"}, true); err != nil {
		t.Fatal(err)
	}
	all := chained(t, disk.text.Bytes())
	if len(all) != 3 || all[1].Op != audit.OpGap || all[1].Tally.Count != 3 || all[2].Op != "c" || all[2].Seq != 3 {
		t.Errorf("%d lines, the second is %+v", len(all), all[1])
	}
	if err := l.Close(); err != nil || l.Close() != nil {
		t.Error("close fails")
	}
	if err := l.Write(audit.Entry{}, false); !errors.Is(err, os.ErrClosed) || l.Healthy() == nil {
		t.Errorf("a closed log: %v", err)
	}
}

// TestATornLineIsEnded: of a write that the disk cut short, the whole lines
// count, and what is left of the next is chained over.
func TestATornLineIsEnded(t *testing.T) {
	t.Parallel()
	disk := &full{failed: errors.New("no space left")}
	disk.left.Store(1)
	disk.part.Store(40)
	l := audit.New(disk, time.Now)
	if err := l.Write(audit.Entry{Op: "a"}, false); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(audit.Entry{Op: "b"}, false); err == nil {
		t.Fatal("a line that was cut short counts as written")
	}
	disk.left.Store(10)
	if err := l.Write(audit.Entry{Op: "c"}, false); err != nil {
		t.Fatal(err)
	}
	all := chained(t, disk.text.Bytes())
	if len(all) != 3 || all[1].Op != audit.OpGap || all[1].Seq != 3 || all[2].Op != "c" || all[2].Seq != 4 {
		t.Errorf("%d lines, the last is %+v", len(all), all[len(all)-1])
	}
}

// BenchmarkWrite is of one who writes alone, and of sixteen on one processor,
// as they do under load.
func BenchmarkWrite(b *testing.B) {
	e := audit.Entry{
		Phase: audit.Outcome, RequestID: "7f3c9a52-0d7e-4a5b-8b0e-2f6f9f1f7f10", Caller: "app", Address: "10.0.0.7", Via: "azure",
		Op: "azure.GetSecret", Action: "get", Store: "payments", Name: "db-password", Versions: []int64{3}, Result: "ok", DurationMS: 0.125,
	}
	for name, durable := range map[string]bool{"read": false, "change": true} {
		b.Run(name+"/alone", func(b *testing.B) {
			l := benchLog(b)
			b.ReportAllocs()
			for b.Loop() {
				if err := l.Write(e, durable); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/sixteen", func(b *testing.B) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			l := benchLog(b)
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := l.Write(e, durable); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func benchLog(b *testing.B) *audit.Log {
	b.Helper()
	l, err := audit.OpenWith(filepath.Join(b.TempDir(), "a"), audit.Options{Gateway: "g"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	return l
}

// TestRunOfNoFile: a log that is kept elsewhere than in a file has nothing to tidy up.
func TestRunOfNoFile(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	l := audit.New(&full{}, time.Now)
	l.Run(ended)
	if err := l.Healthy(); err != nil {
		t.Error(err)
	}
}
