package events_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/gateway/events"
	"github.com/vaultferry/vaultferry/secret"
)

// world is a gateway with events over two stores, whose failures a test
// scripts.
type world struct {
	*gateway.Service
	events *events.Service
	a, b   *backendtest.Faulty
	audit  string
}

var everything = access.Rule{Callers: []string{"c"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}}

func newWorld(t *testing.T, change func(*gateway.Options), rules ...access.Rule) *world {
	t.Helper()
	keys, err := backup.NewKeyringOf("A256KW")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{audit: filepath.Join(t.TempDir(), "audit.jsonl")}
	log, err := audit.Open(w.audit, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	w.a = &backendtest.Faulty{Backend: memory.New(memory.Options{})}
	w.b = &backendtest.Faulty{Backend: memory.New(memory.Options{})}
	if len(rules) == 0 {
		rules = []access.Rule{everything}
	}
	recorder := events.NewRecorder()
	o := gateway.Options{
		Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: w.a}, {Name: "b", Kind: "memory", Backend: w.b}},
		Policy: access.NewPolicy(rules), Keyring: keys, Audit: log, Log: slog.New(slog.DiscardHandler), Writes: recorder,
	}
	if change != nil {
		change(&o)
	}
	if w.Service, err = gateway.New(o); err != nil {
		t.Fatal(err)
	}
	w.events = events.New(w.Service, recorder)
	t.Cleanup(func() { _, _ = w.Close(), log.Close() })
	return w
}

// last returns the audit's last line, and fails if a value is in it.
func (w *world) last(t *testing.T) (e audit.Entry) {
	t.Helper()
	b, err := os.ReadFile(w.audit)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "hush") {
		t.Error("a value is in the audit")
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// clock stands still until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// newClocked is a world whose time, in its store as well, stands still until a
// test moves it.
func newClocked(t *testing.T, rules ...access.Rule) (*world, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)}
	w := newWorld(t, func(o *gateway.Options) { o.Now, o.Stores[0].RetentionDays = c.Now, 7 }, rules...)
	w.a.Backend = memory.New(memory.Options{Now: c.Now})
	return w, c
}

var (
	call = gateway.Call{Caller: access.Caller{ID: "c", Via: "test"}, Op: "test.Op", RequestID: "r1", Address: "127.0.0.1", Digest: [32]byte{1}}
	refA = gateway.Ref{Store: "a", Name: "n"}
	refB = gateway.Ref{Store: "b", Name: "n"}
)

func put(t *testing.T, w *world, r gateway.Ref, values ...string) {
	t.Helper()
	for _, v := range values {
		putDraft(t, w, r, secret.Draft{Value: secret.TextValue(v)})
	}
}

func backupOf(t *testing.T, w *world, r gateway.Ref) []byte {
	t.Helper()
	blob, err := w.Backup(t.Context(), call, r)
	if err != nil {
		t.Fatal(err)
	}
	return blob
}

func wantKind(t *testing.T, err error, k secret.Kind) {
	t.Helper()
	if !errors.Is(err, k) {
		t.Errorf("got %v, want kind %q", err, k.Error())
	}
}

// stateless is a store without the optional part that events need.
type stateless struct{ backends.Backend }

// TestStoreWithoutState: there are no events, and everything else works, even
// for a secret from elsewhere that subscribes to one.
func TestStoreWithoutState(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	w := newWorld(t, func(o *gateway.Options) {
		o.Stores[1].Backend = stateless{memory.New(memory.Options{})}
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	_, err := w.events.Create(t.Context(), call, "b", event("e"))
	wantKind(t, err, secret.Unsupported)
	_, err = w.events.List(t.Context(), call, "b")
	wantKind(t, err, secret.Unsupported)
	_, err = w.events.Get(t.Context(), call, "b", "e")
	wantKind(t, err, secret.Unsupported)
	_, err = w.events.Update(t.Context(), call, "b", "e", events.Patch{})
	wantKind(t, err, secret.Unsupported)
	wantKind(t, w.events.Delete(t.Context(), call, "b", "e"), secret.Unsupported)
	_, err = w.events.Records(t.Context(), call, "b")
	wantKind(t, err, secret.Unsupported)
	_, err = w.Put(t.Context(), call, refB, subscribing("e"))
	wantKind(t, err, secret.Unsupported)

	makeEvent(t, w, event("e"))
	putDraft(t, w, refA, subscribing("e"))
	if _, err := w.Restore(t.Context(), call, "b", backupOf(t, w, refA), gateway.RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	put(t, w, refB, "hush")
	if e := w.last(t); e.BackendOps != 1 {
		t.Errorf("a write takes %d calls", e.BackendOps)
	}
	if _, err := w.Delete(t.Context(), call, refB); err != nil {
		t.Error(err)
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", log.String())
	}
}
