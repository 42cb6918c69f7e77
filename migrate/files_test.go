package migrate_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func keyOf(k inventory.Key) func(*migrate.Header) (inventory.Key, error) {
	return func(h *migrate.Header) (inventory.Key, error) {
		if h.RunKeyID != k.ID() {
			return k, errors.New("another key")
		}
		return k, nil
	}
}

func check(b []byte, k inventory.Key) (*migrate.Checked, error) {
	r, err := migrate.NewPlanReader(bytes.NewReader(b), keyOf(k))
	if err != nil {
		return nil, err
	}
	return migrate.CheckPlan(r)
}

// TestPlanEachBitCounts: one bit of a plan changed anywhere is found, and so is a
// plan that was cut, or belongs to another run key.
func TestPlanEachBitCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 3)
	b, end := w.plan(t, nil)
	if end.Count != 3 || end.Act != 3 {
		t.Fatalf("%+v", end)
	}
	if _, err := check(b, w.key); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		for bit := range 8 {
			changed := bytes.Clone(b)
			changed[i] ^= 1 << bit
			if _, err := check(changed, w.key); err == nil {
				t.Fatalf("bit %d of byte %d, in %q", bit, i, b[max(0, i-20):min(len(b), i+20)])
			}
		}
		if _, err := check(b[:i], w.key); err == nil {
			t.Fatalf("cut after %d of %d bytes", i, len(b))
		}
	}
	other := w.key
	w.key = inventory.NewKey()
	if _, err := check(b, w.key); err == nil {
		t.Error("another run key")
	}
	if _, err := check(append(bytes.Clone(b), "{}\n"...), other); err == nil {
		t.Error("a line more")
	}
}

// TestPlanReadTwice: the second reading takes no line that the first did not see.
func TestPlanReadTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 3)
	one, _ := w.plan(t, nil)
	w.put(t, "a", "s01", "another")
	two, _ := w.plan(t, nil)
	checked, err := check(one, w.key)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range [][]byte{one, two} {
		r, err := migrate.NewPlanReader(bytes.NewReader(b), keyOf(w.key))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		err = checked.Entries(r, func(*migrate.Entry) error { n++; return nil })
		if want := []int{3, 1}[i]; n != want || (err == nil) != (i == 0) {
			t.Errorf("plan %d: %d entries, want %d; %v", i, n, want, err)
		}
	}
}

// journal writes the lines of two runs and returns the file.
func journal(t *testing.T, k inventory.Key) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "j")
	for _, names := range [][]secret.Name{{"a"}, {"b", "c"}} {
		j, err := migrate.OpenJournal(path, k, digest, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			for _, step := range []migrate.Step{migrate.Begun, migrate.Done} {
				if err := j.Write(migrate.Line{Step: step, Name: n, Why: strings.Repeat("why", 3)}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func open(t *testing.T, dir string, b []byte, k inventory.Key) (*migrate.Journal, string, error) {
	t.Helper()
	path := filepath.Join(dir, "j")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := migrate.OpenJournal(path, k, digest, time.Now)
	return j, path, err
}

// TestJournalEachBitCounts: one bit of a journal changed anywhere is found, whatever
// it makes of the end of a line.
func TestJournalEachBitCounts(t *testing.T) {
	t.Parallel()
	k, dir := inventory.NewKey(), t.TempDir()
	b := journal(t, k)
	for i := range b {
		bits := []int{i % 8}
		if b[i] == '\n' {
			bits = []int{0, 1, 2, 3, 4, 5, 6, 7}
		}
		for _, bit := range bits {
			changed := bytes.Clone(b)
			changed[i] ^= 1 << bit
			if j, path, err := open(t, dir, changed, k); err == nil {
				_ = j.Close()
				t.Fatalf("bit %d of byte %d, in %q of %s", bit, i, b[max(0, i-20):min(len(b), i+20)], path)
			}
		}
	}
	if _, _, err := open(t, dir, b, inventory.NewKey()); err == nil {
		t.Error("another run key")
	}
	lines := bytes.SplitAfter(b, []byte("\n"))
	for _, wrong := range [][][]byte{{lines[0], lines[2]}, {lines[0], lines[2], lines[1]}, {lines[1]}, {lines[0], lines[0]}} {
		if _, _, err := open(t, dir, bytes.Join(wrong, nil), k); err == nil {
			t.Errorf("lines in another order: %q", wrong)
		}
	}
	if j, err := migrate.OpenJournal(filepath.Join(dir, "j"), k, "another", time.Now); err == nil {
		_ = j.Close()
		t.Error("another plan")
	}
}

// TestJournalCutAnywhere: whatever is left of a journal, what its whole lines say
// is known, and the next run writes on behind them.
func TestJournalCutAnywhere(t *testing.T) {
	t.Parallel()
	k, dir := inventory.NewKey(), t.TempDir()
	b := journal(t, k)
	for i := range len(b) + 1 {
		zeros := bytes.Repeat([]byte{0}, i%3) // of a file system that had room for more
		j, path, err := open(t, dir, append(bytes.Clone(b[:i]), zeros...), k)
		if err != nil {
			t.Fatalf("cut after %d of %d bytes, and %d zeros: %v", i, len(b), len(zeros), err)
		}
		whole := b[:bytes.LastIndexByte(b[:i], '\n')+1]
		for _, n := range []secret.Name{"a", "b", "c"} {
			want := migrate.Step("")
			for line := range bytes.Lines(whole) {
				switch {
				case bytes.Contains(line, []byte(`"step":"begun","name":"`+string(n)+`"`)):
					want = migrate.Begun
				case bytes.Contains(line, []byte(`"step":"done","name":"`+string(n)+`"`)):
					want = migrate.Done
				}
			}
			if got := j.Step(n); got != want {
				t.Fatalf("cut after %d bytes: %s is %q, want %q", i, n, got, want)
			}
		}
		if err := errors.Join(j.Write(migrate.Line{Step: migrate.Begun, Name: "d"}), j.Close()); err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(after, whole) || bytes.Count(after, []byte("\n")) != bytes.Count(whole, []byte("\n"))+2 {
			t.Fatalf("cut after %d bytes: %v, %q", i, err, after)
		}
		if j, _, err = open(t, dir, after, k); err != nil {
			t.Fatalf("cut after %d bytes, and written on: %v", i, err)
		}
		_ = j.Close()
	}
}

// TestJournalTogether: lines that come at once are each written once, in a chain.
func TestJournalTogether(t *testing.T) {
	t.Parallel()
	k, dir := inventory.NewKey(), t.TempDir()
	j, path, err := open(t, dir, nil, k)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrate.OpenJournal(path, k, digest, time.Now); !errors.Is(err, migrate.ErrLocked) {
		t.Errorf("a second run: %v", err)
	}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if err := j.Write(migrate.Line{Step: migrate.Done, Name: secret.Name(fmt.Sprint(i))}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if j, err = migrate.OpenJournal(path, k, digest, time.Now); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if j.Step(secret.Name(fmt.Sprint(i))) != migrate.Done {
			t.Errorf("%d is missing", i)
		}
	}
	// A disk that takes nothing more ends it, for good.
	_ = j.Close()
	for range 2 {
		if err := j.Write(migrate.Line{Step: migrate.Done, Name: "x"}); err == nil {
			t.Error("a line was written into a closed file")
		}
	}
}

// TestMapping: each name has one place, and two never share one unsaid.
func TestMapping(t *testing.T) {
	t.Parallel()
	replace, err := migrate.ParseReplacement("[._/]=-")
	if err != nil {
		t.Fatal(err)
	}
	m := migrate.Mapping{
		Rename: map[secret.Name]secret.Name{"odd": "even"}, StripPrefix: "team/", AddPrefix: "x/", Replace: []migrate.Replacement{replace},
	}
	for from, want := range map[secret.Name]secret.Name{"odd": "even", "team/a.b_c": "x/a-b-c", "other": "x/other", "team/team/a": "x/team-a"} {
		if got, err := m.To(from); got != want || err != nil {
			t.Errorf("%s becomes %s, %v; want %s", from, got, err, want)
		}
	}
	for _, wrong := range []string{"", "=", "=x", "a", "[=x"} {
		if _, err := migrate.ParseReplacement(wrong); err == nil {
			t.Errorf("%q is taken for a replacement", wrong)
		}
	}
	if _, err := (&migrate.Mapping{StripPrefix: "a"}).To("a"); !errors.Is(err, secret.Invalid) {
		t.Errorf("nothing is left of a name: %v", err)
	}
}

// TestStateOf: every difference of an entry that is no moment is another state.
func TestStateOf(t *testing.T) {
	t.Parallel()
	k := inventory.NewKey()
	rapid.Check(t, func(rt *rapid.T) {
		s := &secret.Secret{Name: "n", Current: 1, Versions: []secret.Version{{Ordinal: 1, UID: secret.NewUID(), Value: secret.TextValue("v"), Updated: time.Unix(5, 0)}}}
		one := k.EntryOf(s, "", time.Unix(1, 0))
		s.Versions[0].Updated = time.Unix(6, 0)
		two := k.EntryOf(s, "", time.Unix(2, 0))
		if k.StateOf(&one) != k.StateOf(&two) {
			rt.Fatal("moments count")
		}
		v := &s.Versions[0]
		switch rapid.IntRange(0, 5).Draw(rt, "what") {
		case 0:
			v.Value = secret.TextValue(rapid.StringN(1, 5, 5).Filter(func(s string) bool { return s != "v" }).Draw(rt, "value"))
		case 1:
			v.Disabled = true
		case 2:
			v.Tags = map[string]string{}
		case 3:
			v.Expires = time.Unix(rapid.Int64Range(1, 1e9).Draw(rt, "expires"), 0)
		case 4:
			s.Description = rapid.StringN(1, 5, 5).Draw(rt, "description")
		case 5:
			s.Current = 0
		}
		three := k.EntryOf(s, "", time.Unix(2, 0))
		if k.StateOf(&three) == k.StateOf(&two) || inventory.NewKey().StateOf(&two) == k.StateOf(&two) {
			rt.Fatal("another state has the same digest")
		}
	})
}

// drain throws away what a plan tells.
func drain(*migrate.Entry) error { return nil }
