package audit

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// trial is a log over a file, and what it said.
type trial struct {
	*Log
	path string
	said *syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func openTrial(t *testing.T, path string, gateway string) *trial {
	t.Helper()
	said := &syncBuffer{}
	l, err := OpenWith(path, Options{Gateway: gateway, Log: slog.New(slog.NewTextHandler(said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &trial{l, path, said}
}

// newTrial has five lines.
func newTrial(t *testing.T, gateway string) *trial {
	t.Helper()
	tr := openTrial(t, filepath.Join(t.TempDir(), "audit.jsonl"), gateway)
	for range 5 {
		tr.write(t)
	}
	return tr
}

func (tr *trial) write(t *testing.T) {
	t.Helper()
	if err := tr.Write(Entry{Op: "o"}, false); err != nil {
		t.Fatal(err)
	}
}

// later has the lease end.
func (tr *trial) later() { endLease(tr.shared) }

func endLease(f *sharedFile) {
	f.mu.Lock()
	n := f.leases
	f.mu.Unlock()
	f.release(n)
}

func read(t *testing.T, paths ...string) (all []Entry) {
	t.Helper()
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			if e, err := Parse(line); err == nil {
				all = append(all, e)
			}
		}
	}
	return all
}

// unbroken fails unless the files hold one chain.
func unbroken(t *testing.T, paths ...string) {
	t.Helper()
	at := firstLink()
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			line = bytes.TrimSuffix(line, []byte("\n"))
			if e, err := Parse(line); err == nil && (e.Chain != at.hex() || e.Seq != at.seq+1) {
				t.Fatalf("%s: line %d is not chained to %d", p, e.Seq, at.seq)
			}
			at.follow(line)
		}
	}
}

// both runs a case for a gateway, which keeps a tree, and for a command.
func both(t *testing.T, f func(t *testing.T, tr *trial)) {
	t.Helper()
	for _, gateway := range []string{"g", ""} {
		t.Run("gateway="+gateway, func(t *testing.T) {
			t.Parallel()
			f(t, newTrial(t, gateway))
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhateverStandsThereIsReadBack: lines of older releases without a bound,
// and what a crash left.
func TestWhateverStandsThereIsReadBack(t *testing.T) {
	t.Parallel()
	long := `{"v":1,"chain":"` + strings.Repeat("0", 64) + `","seq":6,"losses":["` + strings.Repeat("x", 3<<20) + `"]}`
	for name, end := range map[string]string{
		"a line of 3 MB":                   long + "\n",
		"the same, cut short":              long[:2<<20],
		"the same, before its newline":     long,
		"a line that is cut short":         long[:100],
		"three of them":                    long[:100] + "\n" + long[:90] + "\n" + long[:80],
		"one that is no line at all":       "\x00\x00\x00\n",
		"a long one and many that are not": long + "\n" + strings.Repeat("x\n", 1000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, tr *trial) {
				must(t, tr.Close())
				n := len(read(t, tr.path))
				f, err := os.OpenFile(tr.path, os.O_APPEND|os.O_WRONLY, 0)
				must(t, err)
				_, err = f.WriteString(end)
				must(t, errors.Join(err, f.Close()))
				before, err := os.ReadFile(tr.path)
				must(t, err)
				again := openTrial(t, tr.path, tr.o.Gateway)
				again.write(t)
				all := read(t, tr.path)
				lines := uint64(strings.Count(strings.TrimSuffix(end, "\n"), "\n")) + 1
				if e := all[len(all)-1]; e.Op != "o" || n == 5 && e.Seq != 5+lines+1 {
					t.Errorf("the last line is %d", e.Seq)
				}
				after, err := os.ReadFile(tr.path)
				must(t, err)
				if !bytes.HasPrefix(after, before) {
					t.Error("what stood there has changed")
				}
			})
		})
	}
}

// TestTheFirstLineWasCutShort: a crash at the very beginning is no reason not
// to begin again.
func TestTheFirstLineWasCutShort(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"{", `{"v":1,"chain":"ab`, `{"v":1,"chain":"ab` + "\n"} {
		for _, gateway := range []string{"", "g"} {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			must(t, os.WriteFile(path, []byte(text), 0o600))
			openTrial(t, path, gateway).write(t)
			if all := read(t, path); len(all) != 1 || all[0].Seq != 2 {
				t.Errorf("%q: %d lines", text, len(all))
			}
		}
	}
	for _, text := range []string{"not an audit\n", "x", `{"a":1}` + "\n", "\n\n"} {
		for _, gateway := range []string{"", "g"} {
			path := filepath.Join(t.TempDir(), "audit.jsonl")
			must(t, os.WriteFile(path, []byte(text), 0o600))
			if l, err := OpenWith(path, Options{Gateway: gateway}); err == nil {
				_ = l.Close()
				t.Errorf("%q is taken for an audit", text)
			}
		}
	}
}

// TestAForeignLockEnds no call's patience but the first one's, and no process.
func TestAForeignLockEnds(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, "g")
	tr.later()
	foreign, err := os.Open(tr.path)
	must(t, err)
	defer func() { _ = foreign.Close() }()
	must(t, osfile.Lock(foreign))
	start := time.Now()
	if err := tr.Write(Entry{Op: "o"}, false); !errors.Is(err, errLocked) {
		t.Fatalf("said %v", err)
	}
	first := time.Since(start)
	for range 20 {
		if err := tr.Write(Entry{Op: "o"}, false); !errors.Is(err, errLocked) {
			t.Fatalf("said %v", err)
		}
	}
	if rest := time.Since(start) - first; max(first, rest) > 10*lockTimeout { // twenty that waited would be twice as long
		t.Errorf("waited %v, and then %v", first, rest)
	}
	if !errors.Is(tr.Healthy(), errLocked) {
		t.Error("a log that cannot write calls itself healthy")
	}
	must(t, foreign.Close())
	for end := time.Now().Add(time.Minute); tr.Healthy() != nil; {
		if time.Now().After(end) {
			t.Fatalf("the lock is free, and %v", tr.Healthy())
		}
	}
	tr.write(t)
	unbroken(t, tr.path)
	gaps := 0
	for _, e := range read(t, tr.path) {
		if e.Op == OpGap {
			gaps++
			if e.Tally.Count != 21 || !strings.Contains(e.Reason, "locked") {
				t.Errorf("the gap is %+v: %s", e.Tally, e.Reason)
			}
		}
	}
	if gaps != 1 {
		t.Errorf("%d gaps", gaps)
	}
}

// TestADeviceIsNoFile: it has no end that could be read.
func TestADeviceIsNoFile(t *testing.T) {
	t.Parallel()
	for _, gateway := range []string{"", "g"} {
		tr := openTrial(t, "/dev/null", gateway)
		tr.write(t)
		must(t, tr.Tick())
		must(t, tr.Close())
	}
}

// TestTwoShareFairly: one who writes all the time lets another write.
func TestTwoShareFairly(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, "g")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := tr.Write(Entry{Op: "busy"}, false); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for range 3 {
		l := openTrial(t, tr.path, "")
		l.write(t)
		must(t, l.Close())
	}
	close(stop)
	wg.Wait()
	unbroken(t, tr.path)
}

// TestLowWaterIsSaidOnce, and again when it is over.
func TestLowWaterIsSaidOnce(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, "g")
	tr.o.LowWater = 1 << 62
	must(t, tr.Tick())
	must(t, tr.Tick())
	if s := tr.State(); !s.Low || s.Free <= 0 || strings.Count(tr.said.String(), "NEARLY FULL") != 1 {
		t.Errorf("%+v, said %s", s, tr.said)
	}
	tr.o.LowWater = 0
	must(t, tr.Tick())
	if tr.State().Low || !strings.Contains(tr.said.String(), "room again") {
		t.Errorf("said %s", tr.said)
	}
}
