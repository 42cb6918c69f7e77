package audit

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
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
func (tr *trial) later() { tr.shared.release(tr.shared.file) }

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

// TestDamageIsSaid: whatever is done to the file behind its back is said in the
// log, and a line tells of it that does not chain to what stands there.
func TestDamageIsSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(t *testing.T, path string)
		said   string
	}{
		"cut":            {func(t *testing.T, p string) { truncate(t, p, 2) }, "was cut short"},
		"cut in a line":  {func(t *testing.T, p string) { must(t, os.Truncate(p, 300)) }, "was cut short"},
		"emptied":        {func(t *testing.T, p string) { must(t, os.Truncate(p, 0)) }, "was emptied"},
		"deleted":        {func(t *testing.T, p string) { must(t, os.Remove(p)) }, "was deleted"},
		"changed":        {func(t *testing.T, p string) { rewrite(t, p, `"op":"o"`, `"op":"p"`) }, "the last line is not the one"},
		"replaced":       {func(t *testing.T, p string) { replaceBy(t, p, "{}\n") }, "another file took the place"},
		"made anew":      {func(t *testing.T, p string) { replaceBy(t, p, "") }, "was deleted"},
		"forged shorter": {func(t *testing.T, p string) { truncateCopy(t, p, 3) }, "another file took the place"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, tr *trial) {
				c.damage(t, tr.path)
				tr.later()
				tr.write(t)
				if said := tr.said.String(); !strings.Contains(said, "THE AUDIT WAS DAMAGED") || !strings.Contains(said, c.said) {
					t.Errorf("said %q", said)
				}
				if tr.State().Damaged != 1 {
					t.Errorf("damaged %d times", tr.State().Damaged)
				}
				told := false
				for _, e := range read(t, tr.path) {
					told = told || e.Result == Damaged && e.Seq > 5
				}
				if !told {
					t.Error("no line tells of it")
				}
				tr.later()
				tr.write(t)
				if tr.State().Damaged != 1 {
					t.Error("it is said again")
				}
				all := read(t, tr.path)
				if e := all[len(all)-1]; e.Op != "o" || e.Seq < 7 {
					t.Errorf("the last line is %+v", e)
				}
			})
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, lines int) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.Truncate(path, int64(len(bytes.Join(bytes.SplitAfter(text, []byte("\n"))[:lines], nil)))))
}

func truncateCopy(t *testing.T, path string, lines int) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	replaceBy(t, path, string(bytes.Join(bytes.SplitAfter(text, []byte("\n"))[:lines], nil)))
}

func rewrite(t *testing.T, path, from, to string) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, bytes.ReplaceAll(text, []byte(from), []byte(to)), 0o600))
}

func replaceBy(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.Remove(path))
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// TestMovesAreFollowed: what other programs do to rotate a file loses nothing,
// and is no damage.
func TestMovesAreFollowed(t *testing.T) {
	t.Parallel()
	for name, move := range map[string]func(t *testing.T, path string){
		"moved": func(t *testing.T, p string) { must(t, os.Rename(p, p+".1")) },
		"moved and made anew": func(t *testing.T, p string) {
			must(t, os.Rename(p, p+".1"))
			must(t, os.WriteFile(p, nil, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			both(t, func(t *testing.T, tr *trial) {
				beside := openTrial(t, tr.path, "")
				move(t, tr.path)
				tr.later()
				tr.write(t)
				tr.later()
				beside.write(t)
				beside.later()
				openTrial(t, tr.path, "").write(t)
				tr.write(t)
				unbroken(t, tr.path+".1", tr.path)
				if all := read(t, tr.path); all[0].Op != OpBegin || all[0].Tree == nil || all[0].Tree.Size != 5 || all[len(all)-1].Seq != 10 {
					t.Errorf("%d lines: %+v", len(all), all[0])
				}
				if tr.State().Damaged+beside.State().Damaged != 0 {
					t.Errorf("said %s%s", tr.said, beside.said)
				}
			})
		})
	}
}

// TestMovedWhileNobodyRan: the next one goes on behind what lies beside.
func TestMovedWhileNobodyRan(t *testing.T) {
	t.Parallel()
	for _, empty := range []bool{false, true} {
		both(t, func(t *testing.T, tr *trial) {
			must(t, tr.Close())
			must(t, os.Rename(tr.path, tr.path+"-20261130"))
			if empty {
				must(t, os.WriteFile(tr.path, nil, 0o600))
			}
			openTrial(t, tr.path, "").write(t)
			unbroken(t, tr.path+"-20261130", tr.path)
		})
	}
}

// TestRotate: the chain goes on in the next file, for all who write.
func TestRotate(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, tr *trial) {
		beside := openTrial(t, tr.path, "")
		var files []string
		for range 3 {
			old, err := tr.Rotate("asked for")
			must(t, err)
			files = append(files, old)
			tr.later()
			beside.write(t)
			beside.later()
			tr.write(t)
		}
		unbroken(t, append(files, tr.path)...)
		must(t, tr.Close())
		unbroken(t, append(files, tr.path)...)
		if got := beside.shared.begun; got.IsZero() {
			t.Error("it does not know how old the file is")
		}
		if tr.State().Damaged+beside.State().Damaged != 0 {
			t.Errorf("said %s%s", tr.said, beside.said)
		}
		for _, f := range files {
			if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v", f, err)
			}
		}
	})
}

// TestRotateWhileAllWrite loses no line.
func TestRotateWhileAllWrite(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, "g")
	beside := openTrial(t, tr.path, "")
	var files []string
	var wg sync.WaitGroup
	for i := range 8 {
		l := tr
		if i%2 == 1 {
			l = beside
		}
		wg.Go(func() {
			for j := range 50 {
				if err := l.Write(Entry{Op: "p"}, j%10 == 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 10 {
		old, err := tr.Rotate("asked for")
		must(t, err)
		files = append(files, old)
	}
	wg.Wait()
	unbroken(t, append(files, tr.path)...)
	n := 0
	for _, e := range read(t, append(files, tr.path)...) {
		if e.Op == "p" {
			n++
		}
	}
	if n != 400 {
		t.Errorf("%d lines", n)
	}
}

// TestRotatesByItself at a size and an age.
func TestRotatesByItself(t *testing.T) {
	t.Parallel()
	now := time.Now()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l, err := OpenWith(path, Options{Gateway: "g", MaxSize: 100_000, MaxAge: time.Hour, Now: func() time.Time { return now }})
	must(t, err)
	defer func() { _ = l.Close() }()
	for i := range 300 {
		must(t, l.Write(Entry{Op: "o", Reason: strings.Repeat("x", 300)}, false))
		if i%10 == 0 {
			must(t, l.Tick())
		}
	}
	if n := len(beside(path)); n != 1 {
		t.Errorf("%d files by size", n)
	}
	now = now.Add(2 * time.Hour)
	must(t, l.Tick())
	if n := len(beside(path)); n != 2 {
		t.Errorf("%d files by age", n)
	}
	unbroken(t, append(beside(path), path)...)
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
	must(t, flock(foreign, syscall.LOCK_EX))
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
	if rest := time.Since(start) - first; first > 2*lockTimeout || rest > lockTimeout {
		t.Errorf("waited %v, and then %v", first, rest)
	}
	if !errors.Is(tr.Healthy(), errLocked) {
		t.Error("a log that cannot write calls itself healthy")
	}
	must(t, foreign.Close())
	for end := time.Now().Add(10 * time.Second); tr.Healthy() != nil; {
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
