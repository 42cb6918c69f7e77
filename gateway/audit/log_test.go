package audit_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
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

// verify reads the file as FORMAT would: every line chained to the one before.
func verify(t *testing.T, path string) []audit.Entry {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []audit.Entry
	sum := sha256.Sum256(nil)
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var e audit.Entry
		if json.Unmarshal(sc.Bytes(), &e) == nil {
			if e.Chain != hex.EncodeToString(sum[:]) {
				t.Fatalf("line %d is not chained", len(all)+1)
			}
			all = append(all, e)
		}
		sum = sha256.Sum256(sc.Bytes())
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
	left   atomic.Int64
	failed error
}

func (f *full) Write(p []byte) (int, error) {
	if f.left.Add(-1) < 0 {
		return 0, f.failed
	}
	return len(p), nil
}
func (f *full) Sync() error  { return nil }
func (f *full) Close() error { return nil }

func TestAFailureStays(t *testing.T) {
	t.Parallel()
	disk := &full{failed: errors.New("no space left")}
	disk.left.Store(1)
	l := audit.New(disk, time.Now)
	if err := l.Write(audit.Entry{}, true); err != nil {
		t.Fatal(err)
	}
	if err := l.Write(audit.Entry{}, true); !errors.Is(err, disk.failed) {
		t.Errorf("the failure is not told: %v", err)
	}
	disk.left.Store(10)
	if err := l.Write(audit.Entry{}, false); !errors.Is(err, disk.failed) || l.Healthy() == nil {
		t.Error("a log with a hole goes on as if nothing was")
	}
	if err := l.Close(); err != nil || l.Close() != nil {
		t.Error("close fails")
	}
}

func BenchmarkWrite(b *testing.B) {
	l, err := audit.Open(filepath.Join(b.TempDir(), "a"), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	e := audit.Entry{Phase: audit.Outcome, RequestID: "r", Caller: "c", Op: "o", Action: "get", Store: "s", Name: "n"}
	for b.Loop() {
		if err := l.Write(e, false); err != nil {
			b.Fatal(err)
		}
	}
}
