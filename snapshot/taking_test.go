package snapshot_test

import (
	"testing"

	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/secret"
	"github.com/vaultferry/vaultferry/snapshot"
)

// TestNotWhole: what was not read, what is lacking and what the lists left out
// each make a snapshot that is not whole, and are read back.
func TestNotWhole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key, _, err := w.Key()
	must(t, err)
	take := func(entries []*snapshot.Entry, leftOut []inventory.LeftOut) *snapshot.Snapshot {
		var made *snapshot.Snapshot
		w.under(t, func(lock *snapshot.Lock) {
			taken, err := w.Begin(lock, snapshot.Header{Gateway: "g", Store: "main", Product: "memory", By: "local:test", Begun: w.at})
			must(t, err)
			must(t, add(taken, key, "main", holding("a", "1")))
			for _, e := range entries {
				must(t, taken.Add(e, nil))
			}
			made, err = taken.Close(leftOut)
			must(t, err)
		})
		h, err := w.History()
		must(t, err)
		read, err := h.Find(made.ID)
		must(t, err)
		if read.Whole() != made.Whole() {
			t.Error("it is read back otherwise")
		}
		return read
	}
	if s := take(nil, nil); !s.Whole() {
		t.Error("all of it is not whole")
	}
	if s := take([]*snapshot.Entry{{Name: "b", Unread: secret.Denied.Error()}}, nil); s.Whole() || s.End.Unread != 1 || s.End.Count != 2 {
		t.Errorf("%+v", s.End)
	}
	if s := take(nil, []inventory.LeftOut{{Why: secret.LeftOutFolder, Name: "hidden/"}}); s.Whole() || len(s.End.LeftOut) != 1 {
		t.Errorf("%+v", s.End)
	}
	w.under(t, func(lock *snapshot.Lock) {
		taken, err := w.Begin(lock, snapshot.Header{Gateway: "g", Store: "main", Begun: w.at})
		must(t, err)
		must(t, add(taken, key, "main", holding("b", "1")))
		if err := add(taken, key, "main", holding("a", "1")); err == nil {
			t.Error("entries come in any order")
		}
		must(t, taken.Abort())
	})
	if d := w.check(t, snapshot.CheckOptions{ReadData: true}); len(d) > 0 {
		t.Error(d)
	}
}
