package gateway_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/bolt"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// newFileWorld has a store "a" that is a file with a secret in it; "b" is none.
func newFileWorld(t *testing.T, rules ...access.Rule) *world {
	t.Helper()
	keys, err := backup.NewKeyringOf(backup.AlgA256KW)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bolt.Open(t.Context(), backends.Env{Store: "a", Keys: keys, Now: time.Now}, &bolt.Config{Path: filepath.Join(t.TempDir(), "a.db")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), "s", secret.Draft{Value: secret.TextValue("hush")}); err != nil {
		t.Fatal(err)
	}
	return newWorld(t, func(o *gateway.Options) { o.Stores[0].Kind, o.Stores[0].Backend = "bolt", b }, rules...)
}

// What is done to a whole store is audited before and after.
func TestWholeIsAudited(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t)
	var size counter
	if err := w.Snapshot(t.Context(), call, "a", &size); err != nil || size == 0 {
		t.Errorf("Snapshot: %d bytes, %v", size, err)
	}
	found, err := w.Verify(t.Context(), call, "a")
	if err != nil || found.Secrets != 1 || !found.Sound() {
		t.Errorf("Examine: %+v, %v", found, err)
	}
	broken := errors.New("broken")
	err = w.WholeStore(t.Context(), call, access.Update, gateway.Store{Name: "closed"}, func(context.Context) error { return broken })
	if wantKind(t, err, secret.Internal); !errors.Is(err, broken) {
		t.Errorf("Whole: %v", err)
	}
	wantKind(t, w.Snapshot(t.Context(), call, "b", io.Discard), secret.Unsupported)
	wantKind(t, w.Snapshot(t.Context(), call, "nowhere", io.Discard), secret.NotFound)
	var got []string
	for _, e := range w.lines(t) {
		got = append(got, e.Phase+" "+e.Action+" "+e.Store+" "+e.Result)
	}
	want := []string{
		"intent backup a ", "outcome backup a ok", "intent list a ", "outcome list a ok",
		"intent update closed ", "outcome update closed internal error", "intent backup b ", "outcome backup b unsupported",
	}
	if len(got) != len(want) {
		t.Fatalf("audited: %q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: %q, want %q", i, got[i], want[i])
		}
	}
}

type counter int

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// A rule that does not cover every name covers no whole store.
func TestWholeAsksThePolicy(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		rule   access.Rule
		backup bool
		check  bool
	}{
		"all":        {access.Rule{Allow: []string{"*"}, Stores: []string{"a"}, Names: []string{"*"}}, true, true},
		"one action": {access.Rule{Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"*"}}, false, true},
		"some names": {access.Rule{Allow: []string{"*"}, Stores: []string{"a"}, Names: []string{"s*"}}, false, false},
		"elsewhere":  {access.Rule{Allow: []string{"*"}, Stores: []string{"b"}, Names: []string{"*"}}, false, false},
	} {
		c.rule.Callers = []string{"c"}
		w := newFileWorld(t, c.rule)
		var size counter
		err := w.Snapshot(t.Context(), call, "a", &size)
		_, err2 := w.Verify(t.Context(), call, "a")
		if (err == nil) != c.backup || (err2 == nil) != c.check {
			t.Errorf("%s: Snapshot %v, Examine %v", what, err, err2)
		}
		if !c.backup {
			if wantKind(t, err, secret.Denied); size > 0 {
				t.Errorf("%s: %d bytes were written", what, size)
			}
		}
	}
	nothing := func(context.Context) error { return nil }
	w := newWorld(t, nil, access.Rule{Callers: []string{"c"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}})
	wantKind(t, w.WholeStore(t.Context(), call, access.Restore, gateway.Store{Name: "a"}, nothing), secret.Denied) // from anywhere
	if err := w.WholeStore(t.Context(), call, access.Update, gateway.Store{Name: "a"}, nothing); err != nil {
		t.Error(err)
	}
	wantKind(t, w.WholeStore(t.Context(), call, access.Update, gateway.Store{Name: "a", ReadOnly: true}, nothing), secret.Denied)
}

// A copy whose outcome cannot be written down is none.
func TestSnapshotWithoutAudit(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t)
	err := w.Snapshot(t.Context(), call, "a", writerFunc(func(b []byte) (int, error) {
		w.disk.full.Store(true)
		return len(b), nil
	}))
	wantKind(t, err, secret.Internal)
	var size counter
	if err := w.Snapshot(t.Context(), call, "a", &size); err == nil || size > 0 {
		t.Errorf("without a line of intent: %d bytes, %v", size, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// One at a time goes through a store, and the others are told at once.
func TestWholeOneAtATime(t *testing.T) {
	t.Parallel()
	w := newFileWorld(t)
	err := w.Snapshot(t.Context(), call, "a", writerFunc(func(b []byte) (int, error) {
		_, err := w.Verify(t.Context(), call, "a")
		wantKind(t, err, secret.Unavailable)
		return len(b), nil
	}))
	if err != nil {
		t.Error(err)
	}
	if _, err := w.Verify(t.Context(), call, "a"); err != nil {
		t.Error(err)
	}
}
