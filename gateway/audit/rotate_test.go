package audit

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

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

// TestAbandoned: what a killed gateway left half written is removed, and what
// another one writes is not.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, tr *trial) {
		dir := filepath.Dir(tr.path)
		old, fresh, foreign := filepath.Join(dir, temporary+"OLD"), filepath.Join(dir, temporary+"FRESH"), filepath.Join(dir, ".other")
		for _, path := range []string{old, fresh, foreign} {
			must(t, os.WriteFile(path, nil, 0o600))
		}
		past := time.Now().Add(-2 * abandonedAfter)
		must(t, errors.Join(os.Chtimes(old, past, past), os.Chtimes(foreign, past, past)))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		tr.Run(ended)
		if _, err := os.Lstat(old); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the abandoned file: %v", err)
		}
		for _, path := range []string{fresh, foreign} {
			if _, err := os.Lstat(path); err != nil {
				t.Error(err)
			}
		}
	})
}
