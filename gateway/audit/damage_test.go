package audit

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

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

// TestDamageIsSaidInQuietMoments: nobody has to call for it.
func TestDamageIsSaidInQuietMoments(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"cut":       func(p string) error { return os.Truncate(p, 300) },
		"deleted":   os.Remove,
		"untouched": func(string) error { return nil },
	} {
		tr := newTrial(t, "g")
		must(t, damage(tr.path))
		tr.later()
		must(t, tr.Tick())
		if want := name != "untouched"; (tr.State().Damaged == 1) != want {
			t.Errorf("%s: damaged %d times", name, tr.State().Damaged)
		}
	}
}

// TestCutWhileNobodyRan: the checkpoint beside the file tells of it.
func TestCutWhileNobodyRan(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, path string){
		"cut":       func(t *testing.T, p string) { truncate(t, p, 2) },
		"deleted":   func(t *testing.T, p string) { must(t, os.Remove(p)) },
		"untouched": func(*testing.T, string) {},
	} {
		tr := newTrial(t, "g")
		must(t, tr.Close())
		damage(t, tr.path)
		again := openTrial(t, tr.path, "g")
		again.write(t)
		said := strings.Contains(again.said.String(), "THE AUDIT WAS DAMAGED: while no gateway ran")
		damaged := false
		for _, e := range read(t, tr.path) {
			damaged = damaged || e.Result == Damaged
		}
		if want := name != "untouched"; said != want || damaged != want {
			t.Errorf("%s: said %q", name, again.said)
		}
	}
}
