package snapshot_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// TestPolicy: of each store the policy keeps what each of its numbers picks, and the
// newest whole one.
func TestPolicy(t *testing.T) {
	t.Parallel()
	var all []*snapshot.Snapshot
	add := func(store, begun string, unread int) {
		at, err := time.Parse(time.RFC3339, begun)
		must(t, err)
		s := &snapshot.Snapshot{ID: store + " " + begun[5:13]}
		s.Store, s.Begun, s.End.Unread = store, at, unread
		all = append(all, s)
	}
	for _, begun := range []string{
		"2026-09-30T03:00:00Z", "2026-10-31T03:00:00Z", "2026-11-27T03:00:00Z", "2026-11-28T03:00:00Z", "2026-11-29T03:00:00Z", "2026-11-30T03:00:00Z", "2026-11-30T15:00:00Z",
	} {
		add("a", begun, 0)
	}
	add("b", "2026-11-01T03:00:00Z", 0)
	add("b", "2026-11-30T03:00:00Z", 1)
	for what, tt := range map[string]struct {
		p    snapshot.Policy
		want string
	}{
		"last":    {snapshot.Policy{Last: 2}, "a 11-30T03, a 11-30T15, b 11-01T03, b 11-30T03"},
		"daily":   {snapshot.Policy{Daily: 3}, "a 11-28T03, a 11-29T03, a 11-30T15, b 11-01T03, b 11-30T03"},
		"weekly":  {snapshot.Policy{Weekly: 2}, "a 11-29T03, a 11-30T15, b 11-01T03, b 11-30T03"},
		"monthly": {snapshot.Policy{Monthly: 2}, "a 10-31T03, a 11-30T15, b 11-30T03, b 11-01T03"},
		"all":     {snapshot.Policy{Last: 1, Daily: 2, Monthly: 9}, "a 09-30T03, a 10-31T03, a 11-29T03, a 11-30T15, b 11-01T03, b 11-30T03"},
		"whole":   {snapshot.Policy{Last: 1}, "a 11-30T15, b 11-01T03, b 11-30T03"},
	} {
		var got []string
		for id := range tt.p.Keep(all) {
			got = append(got, id)
		}
		want := strings.Split(tt.want, ", ")
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// under runs do with the lock.
func (w *world) under(t testing.TB, do func(*snapshot.Lock)) {
	t.Helper()
	_, lock, err := w.Lock(t.Context(), "local:test", "test")
	must(t, err)
	do(lock)
	must(t, lock.Release())
}

func (w *world) prune(t testing.TB) *snapshot.Pruned {
	t.Helper()
	var out *snapshot.Pruned
	w.under(t, func(lock *snapshot.Lock) {
		var err error
		out, err = w.Prune(t.Context(), lock, snapshot.PruneOptions{})
		must(t, err)
	})
	return out
}

// age makes all files that old.
func (w *world) age(t testing.TB, by time.Duration) {
	t.Helper()
	for name := range w.files(t) {
		at := w.at.Add(-by)
		must(t, os.Chtimes(filepath.Join(w.dir, name), at, at))
	}
}

// TestForgetAndPrune: what a kept snapshot names stays, the rest goes once it is a
// day old; and nothing goes while a snapshot is missing.
func TestForgetAndPrune(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.take(t, "main", store{{"a", "1"}, {"b", "1"}})
	second := w.take(t, "main", store{{"a", "2"}, {"b", "1"}})
	third := w.take(t, "main", store{{"a", "3"}, {"b", "1"}})
	w.age(t, time.Hour)
	w.under(t, func(lock *snapshot.Lock) { must(t, w.Forget(lock, "local:test", first)) })
	if p := w.prune(t); p.Documents != 0 || p.Young != 1 {
		t.Errorf("a young document goes: %+v", p)
	}
	w.age(t, 25*time.Hour)
	must(t, os.WriteFile(filepath.Join(w.dir, "work", "left"), nil, 0o600))
	must(t, os.Chtimes(filepath.Join(w.dir, "work", "left"), w.at.Add(-25*time.Hour), w.at.Add(-25*time.Hour)))
	saved := filepath.Join(w.dir, "snapshots", second.ID)
	must(t, os.Rename(saved, saved+".away"))
	w.under(t, func(lock *snapshot.Lock) {
		if _, err := w.Prune(t.Context(), lock, snapshot.PruneOptions{}); !errors.Is(err, secret.Corrupt) {
			t.Errorf("it prunes while a snapshot is missing: %v", err)
		}
	})
	must(t, os.Rename(saved+".away", saved))
	if p := w.prune(t); p.Documents != 1 || p.Work != 1 || p.Young != 0 {
		t.Errorf("%+v", p)
	}
	if d := w.check(t, snapshot.CheckOptions{ReadData: true, Expect: []string{first.ID, third.ID}}); len(d) > 0 {
		t.Error(d)
	}
	// One that cannot be read is forgotten by name, and the rest goes on.
	must(t, os.WriteFile(saved, []byte("{}\n"), 0o600))
	h, err := w.History()
	must(t, err)
	lost := h.Lost(second.ID)
	if lost == nil || h.Lost(third.ID) != nil {
		t.Fatal("which snapshot is lost is not told")
	}
	w.under(t, func(lock *snapshot.Lock) { must(t, w.Forget(lock, "local:test", lost)) })
	if p := w.prune(t); p.Documents != 1 {
		t.Errorf("%+v", p)
	}
	fourth := w.take(t, "main", store{{"a", "4"}})
	if fourth.Predecessor != third.ID {
		t.Error("the chain does not go on behind the newest")
	}
	if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
		t.Error(d)
	}
}

// TestPruneRemovesNothing where a snapshot that is expected is not there, where there
// has been none, and once another command has the lock.
func TestPruneRemovesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.take(t, "main", store{{"a", "1"}})
	second := w.take(t, "main", store{{"a", "2"}})
	w.under(t, func(lock *snapshot.Lock) { must(t, w.Forget(lock, "local:test", first)) })
	w.age(t, 25*time.Hour)
	before := len(w.files(t))
	refused := func(want secret.Kind, o snapshot.PruneOptions) {
		t.Helper()
		w.under(t, func(lock *snapshot.Lock) {
			if _, err := w.Prune(t.Context(), lock, o); !errors.Is(err, want) || len(w.files(t)) != before {
				t.Errorf("%v; %d of %d files stand", err, len(w.files(t)), before)
			}
		})
	}
	refused(secret.Corrupt, snapshot.PruneOptions{Expect: []string{first.ID, strings.Repeat("f", 64)}})
	_, lock, err := w.Lock(t.Context(), "local:test", "snapshot.prune")
	must(t, err)
	other := fmt.Appendf(nil, `{"owner":"x","by":"local:other","does":"snapshot.create","host":"another machine","until":%q}`+"\n", w.at.Add(time.Minute).Format(time.RFC3339))
	must(t, os.WriteFile(filepath.Join(w.dir, "lock"), other, 0o600))
	if _, err := w.Prune(t.Context(), lock, snapshot.PruneOptions{}); !errors.Is(err, secret.Conflict) || len(w.files(t)) != before {
		t.Errorf("it prunes without the lock: %v", err)
	}
	must(t, lock.Release())
	must(t, os.Remove(filepath.Join(w.dir, "lock")))
	for _, dir := range []string{"snapshots", "forgotten"} {
		must(t, os.Rename(filepath.Join(w.dir, dir), filepath.Join(w.dir, "..", dir)))
		must(t, os.Mkdir(filepath.Join(w.dir, dir), 0o700))
	}
	all := before
	before = len(w.files(t))
	refused(secret.Corrupt, snapshot.PruneOptions{})
	for _, dir := range []string{"snapshots", "forgotten"} {
		must(t, os.Remove(filepath.Join(w.dir, dir)))
		must(t, os.Rename(filepath.Join(w.dir, "..", dir), filepath.Join(w.dir, dir)))
	}
	w.under(t, func(lock *snapshot.Lock) {
		p, err := w.Prune(t.Context(), lock, snapshot.PruneOptions{Expect: []string{first.ID, second.ID}})
		if must(t, err); p.Documents != 1 || len(w.files(t)) != all-1 {
			t.Errorf("%+v", p)
		}
	})
}

// TestPruneLeavesOthers: what is no document of ours stays, whatever it is called.
func TestPruneLeavesOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.take(t, "main", store{{"a", "1"}})
	for _, name := range []string{strings.Repeat("a", 66), strings.Repeat("a", 62), strings.Repeat("A", 64), "notes.txt"} {
		must(t, os.MkdirAll(filepath.Join(w.dir, "documents/aa"), 0o700))
		must(t, os.WriteFile(filepath.Join(w.dir, "documents/aa", name), nil, 0o600))
	}
	must(t, os.WriteFile(filepath.Join(w.dir, "documents/note"), nil, 0o600))
	w.age(t, 25*time.Hour)
	if p := w.prune(t); p.Documents != 0 {
		t.Errorf("%+v", p)
	}
	w.take(t, "main", store{{"a", "2"}})
	if d := w.check(t, snapshot.CheckOptions{}); len(d) != 5 {
		t.Errorf("check names %v", d)
	}
}

// TestForgottenReturns: a snapshot that a tool copied back stays forgotten.
func TestForgottenReturns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.take(t, "main", store{{"a", "1"}})
	w.take(t, "main", store{{"a", "2"}})
	name := filepath.Join(w.dir, "snapshots", first.ID)
	content, err := os.ReadFile(name)
	must(t, err)
	w.under(t, func(lock *snapshot.Lock) { must(t, w.Forget(lock, "local:test", first)) })
	w.age(t, 25*time.Hour)
	w.prune(t)
	for _, returned := range [][]byte{content, []byte("{}\n")} { // whole or not
		must(t, os.WriteFile(name, returned, 0o600))
		if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
			t.Error(d)
		}
		if p := w.prune(t); p.Snapshots != 1 {
			t.Errorf("%+v", p)
		}
	}
	h, err := w.History()
	must(t, err)
	if _, err := h.Find(first.ID); !errors.Is(err, secret.NotFound) {
		t.Error(err)
	}
}

// TestLock: one at a time; what a dead owner left ends at once on its machine, and
// with its lease elsewhere.
func TestLock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, lock, err := w.Lock(t.Context(), "local:one", "snapshot.create")
	must(t, err)
	if _, _, err := w.Lock(t.Context(), "local:two", "snapshot.prune"); !errors.Is(err, secret.Conflict) || !strings.Contains(err.Error(), "snapshot.create by local:one") {
		t.Errorf("two have the lock: %v", err)
	}
	must(t, lock.Release())
	file := filepath.Join(w.dir, "lock")
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	left := func(host string, until time.Time) {
		must(t, os.WriteFile(file, fmt.Appendf(nil, `{"owner":"x","by":"local:dead","does":"snapshot.create","host":%q,"until":%q}`+"\n", host, until.Format(time.RFC3339)), 0o600))
	}
	take := func() error {
		_, lock, err := w.Lock(t.Context(), "local:two", "snapshot.prune")
		if err == nil {
			must(t, lock.Release())
		}
		return err
	}
	left("another machine", w.at.Add(time.Minute))
	if err := take(); !errors.Is(err, secret.Conflict) {
		t.Errorf("another machine's lock is passed over: %v", err)
	}
	left("another machine", w.at.Add(-time.Minute))
	must(t, take())
	if len(boot) > 0 {
		left(strings.TrimSpace(string(boot)), w.at.Add(time.Minute))
		must(t, take())
	}
	// Who lost the lock notices before it publishes.
	_, lock, err = w.Lock(t.Context(), "local:one", "snapshot.create")
	must(t, err)
	left("another machine", w.at.Add(time.Minute))
	if _, err := w.begin(lock, "main", store{{"a", "1"}}); !errors.Is(err, secret.Conflict) {
		t.Errorf("it publishes without the lock: %v", err)
	}
	must(t, lock.Release())
	left("another machine", w.at.Add(-time.Minute))
	if h, err := w.History(); err != nil || len(h.Kept) != 0 {
		t.Error("a snapshot was published", err)
	}
	if names, err := os.ReadDir(filepath.Join(w.dir, "work")); err != nil || len(names) > 0 {
		t.Error("something was left in work", names, err)
	}
}
