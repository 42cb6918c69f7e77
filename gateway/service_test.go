package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/audit"
	"github.com/vaultferry/vaultferry/secret"
)

// world is a service over two memory stores whose failures a test scripts.
type world struct {
	ring *backup.Keyring
	*gateway.Service
	a, b  *lossy
	audit string
	disk  *disk
	seen  atomic.Int64
}

// lossy is a real store that also foretells what a test tells it to.
type lossy struct {
	*backendtest.Faulty
	losses []secret.Loss
}

func (l *lossy) Forecast(s *secret.Secret) []secret.Loss {
	return append(l.Faulty.Forecast(s), l.losses...)
}

// disk is an audit file that can become full.
type disk struct {
	*os.File
	full  atomic.Bool
	loose atomic.Bool // what was written may be lost by a crash of the machine
}

var errFull = errors.New("no space left on device")

func (d *disk) Write(p []byte) (int, error) {
	if d.full.Load() {
		return 0, errFull
	}
	d.loose.Store(true)
	return d.File.Write(p)
}

func (d *disk) Sync() error {
	d.loose.Store(false)
	return d.File.Sync()
}

var everything = access.Rule{Callers: []string{"c"}, Allow: []string{"*"}, Stores: []string{"*"}, Names: []string{"*"}}

func newWorld(t *testing.T, change func(*gateway.Options), rules ...access.Rule) *world {
	t.Helper()
	keys, err := backup.NewKeyringOf("A256KW")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ring: keys, audit: filepath.Join(t.TempDir(), "audit.jsonl")}
	f, err := os.OpenFile(w.audit, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	w.disk = &disk{File: f}
	w.a = &lossy{Faulty: &backendtest.Faulty{Backend: memory.New(memory.Options{})}}
	w.b = &lossy{Faulty: &backendtest.Faulty{Backend: memory.New(memory.Options{})}}
	if len(rules) == 0 {
		rules = []access.Rule{everything}
	}
	log := audit.New(w.disk, time.Now)
	o := gateway.Options{
		Stores: []gateway.Store{{Name: "a", Kind: "memory", Backend: w.a}, {Name: "b", Kind: "memory", Backend: w.b}},
		Policy: access.NewPolicy(rules), Keyring: keys, Audit: log, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Observe: func(gateway.Observation) { w.seen.Add(1) },
	}
	if change != nil {
		change(&o)
	}
	if w.Service, err = gateway.New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = w.Close(), log.Close() })
	return w
}

// lines returns the audit so far, and fails if a value is in it.
func (w *world) lines(t *testing.T) []audit.Entry {
	t.Helper()
	b, err := os.ReadFile(w.audit)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "hush") {
		t.Error("a value is in the audit")
	}
	var all []audit.Entry
	for line := range strings.Lines(string(b)) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func (w *world) last(t *testing.T) audit.Entry {
	t.Helper()
	all := w.lines(t)
	return all[len(all)-1]
}

var (
	call = gateway.Call{Caller: access.Caller{ID: "c", Via: "test"}, Op: "test.Op", RequestID: "r1", Address: "127.0.0.1", Digest: [32]byte{1}}
	refA = gateway.Ref{Store: "a", Name: "n"}
	refB = gateway.Ref{Store: "b", Name: "n"}
)

func draft(s string) secret.Draft { return secret.Draft{Value: secret.TextValue(s)} }

func put(t *testing.T, w *world, r gateway.Ref, values ...string) *secret.Secret {
	t.Helper()
	var sec *secret.Secret
	for _, v := range values {
		var err error
		if sec, err = w.Put(t.Context(), call, r, draft(v)); err != nil {
			t.Fatal(err)
		}
	}
	return sec
}

// wantKind: whoever asks for a kind with errors.Is finds k and no other one, anywhere in
// the tree of err.
func wantKind(t *testing.T, err error, k secret.Kind) {
	t.Helper()
	for _, other := range secret.Kinds() {
		if errors.Is(err, other) != (other == k) {
			t.Errorf("got %v, want kind %q alone", err, k.Error())
			return
		}
	}
}

func TestPutAndGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush1", "hush2")
	got, err := w.Get(t.Context(), call, refA, secret.Current)
	if err != nil || !got.Newest().Value.Equal(secret.TextValue("hush2")) {
		t.Fatalf("current: %v", err)
	}
	if got, err = w.Get(t.Context(), call, refA, secret.ByOrdinal(1)); err != nil || !got.Newest().Value.Equal(secret.TextValue("hush1")) {
		t.Fatalf("version 1: %v", err)
	}
	_, err = w.Get(t.Context(), call, refA, secret.ByOrdinal(9))
	wantKind(t, err, secret.NotFound)
	all := w.lines(t)
	if len(all) != 7 || w.seen.Load() != 5 {
		t.Fatalf("%d audit lines, %d observations", len(all), w.seen.Load())
	}
	if e := all[0]; e.Phase != audit.Intent || e.Caller != "c" || e.Store != "a" || e.Name != "n" || e.Action != "set" || e.RequestID != "r1" {
		t.Errorf("intent: %+v", e)
	}
	if e := all[1]; e.Phase != audit.Outcome || e.Result != "ok" || len(e.Versions) != 1 || e.Versions[0] != 1 || e.BackendOps == 0 {
		t.Errorf("outcome: %+v", e)
	}
	if e := all[6]; e.Result != "not found" || e.Phase != audit.Outcome {
		t.Errorf("failed read: %+v", e)
	}
}

func TestDisabledAndGoneAreNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	d := draft("hush")
	d.Disabled = true
	if _, err := w.Put(t.Context(), call, refA, d); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Put(t.Context(), call, refA, secret.Draft{Missing: secret.Destroyed}); err != nil {
		t.Fatal(err)
	}
	_, err := w.Get(t.Context(), call, refA, secret.ByOrdinal(1))
	wantKind(t, err, secret.Disabled)
	_, err = w.Get(t.Context(), call, refA, secret.ByOrdinal(2))
	wantKind(t, err, secret.NotFound)
}

func TestDeniedChangesNothingAndIsAudited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, access.Rule{Callers: []string{"c"}, Allow: []string{"get", "list"}, Stores: []string{"a"}, Names: []string{"n*"}})
	_, err := w.Put(t.Context(), call, refA, draft("hush"))
	wantKind(t, err, secret.Denied)
	_, err = w.Get(t.Context(), call, gateway.Ref{Store: "a", Name: "other"}, secret.Current)
	wantKind(t, err, secret.Denied)
	_, err = w.Restore(t.Context(), call, "a", []byte("anything"), gateway.RestoreOptions{})
	wantKind(t, err, secret.Denied)
	_, err = w.List(t.Context(), call, "b", secret.Query{})
	wantKind(t, err, secret.Denied)
	if _, err := w.a.Backend.Describe(t.Context(), "n"); !errors.Is(err, secret.NotFound) {
		t.Error("a denied write was written")
	}
	for _, e := range w.lines(t) {
		if e.Phase != audit.Outcome || e.Result != "denied" || e.BackendOps != 0 {
			t.Errorf("%+v", e)
		}
	}
}

func TestReadOnlyStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *gateway.Options) { o.Stores[0].ReadOnly = true })
	_, err := w.Put(t.Context(), call, refA, draft("hush"))
	wantKind(t, err, secret.Denied)
	if _, err := w.List(t.Context(), call, "a", secret.Query{}); err != nil {
		t.Error(err)
	}
}

func TestListFiltersByPolicyAndFillsPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, everything, access.Rule{Callers: []string{"few"}, Allow: []string{"list"}, Stores: []string{"a"}, Names: []string{"*5"}})
	for i := range 40 {
		put(t, w, gateway.Ref{Store: "a", Name: secret.Name("s" + string(rune('a'+i/10)) + string(rune('0'+i%10)))}, "hush")
	}
	few := call
	few.Caller.ID = "few"
	var names []string
	for q := (secret.Query{Limit: 3}); ; {
		page, err := w.List(t.Context(), few, "a", q)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range page.Secrets {
			names = append(names, string(s.Name))
			if s.Size() != 0 {
				t.Error("a list shows a value")
			}
		}
		if page.Next == "" {
			break
		}
		if len(page.Secrets) != 3 {
			t.Errorf("a page of %d before the last", len(page.Secrets))
		}
		q.After = page.Next
	}
	if strings.Join(names, " ") != "sa5 sb5 sc5 sd5" {
		t.Errorf("got %v", names)
	}
}

func TestAuditThatCannotBeWrittenFailsTheCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	put(t, w, refA, "hush")
	w.disk.full.Store(true)
	if _, err := w.Get(t.Context(), call, refA, secret.Current); err == nil {
		t.Error("a read without its audit line is answered")
	}
	_, err := w.Put(t.Context(), call, refA, draft("hush2"))
	wantKind(t, err, secret.Internal)
	if s, err := w.a.Backend.Describe(t.Context(), "n"); err != nil || len(s.Versions) != 1 {
		t.Error("a write without its intent is written")
	}
	if w.Ready() == nil {
		t.Error("readiness is green")
	}
}

func TestAWriteWithoutItsOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.a.After = func(context.Context, string) error {
		w.disk.full.Store(true)
		return nil
	}
	_, err := w.Put(t.Context(), call, refA, draft("hush"))
	wantKind(t, err, secret.Unknown)
	if w.Ready() == nil {
		t.Error("readiness is green")
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind  secret.Kind
		fails int
		tries int64
		ok    bool
	}{
		"unavailable, then there": {secret.Unavailable, 2, 3, true},
		"throttled, then not":     {secret.Throttled, 1, 2, true},
		"unavailable for good":    {secret.Unavailable, 99, 3, false},
		"unknown is final":        {secret.Unknown, 1, 1, false},
		"refused is final":        {secret.Upstream, 1, 1, false},
		"internal is final":       {secret.Internal, 1, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			var tries atomic.Int64
			w.a.Before = func(context.Context, string) error {
				if tries.Add(1) <= int64(c.fails) {
					return &secret.Error{Kind: c.kind, RetryAfter: time.Millisecond}
				}
				return nil
			}
			_, err := w.Put(t.Context(), call, refA, draft("hush"))
			if (err == nil) != c.ok || tries.Load() != c.tries {
				t.Errorf("%d tries, %v", tries.Load(), err)
			}
			if !c.ok {
				wantKind(t, err, c.kind)
			}
		})
	}
}

func TestARepeatOfAnUnknownWriteMakesNoSecondVersion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	lose := true
	w.a.After = func(_ context.Context, m string) error {
		if lose && m == "Put" {
			lose = false
			return &secret.Error{Kind: secret.Unknown}
		}
		return nil
	}
	_, err := w.Put(t.Context(), call, refA, draft("hush"))
	wantKind(t, err, secret.Unknown)
	again, err := w.Put(t.Context(), call, refA, draft("hush"))
	if err != nil || again.Newest().Ordinal != 1 {
		t.Fatalf("the repeat: %v", err)
	}
	other := call
	other.Digest = [32]byte{2}
	third, err := w.Put(t.Context(), other, refA, draft("hush"))
	if err != nil || third.Newest().Ordinal != 2 {
		t.Fatalf("another write is taken for a repeat: %v", err)
	}
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *gateway.Options) { o.Stores[0].Timeout = 20 * time.Millisecond })
		w.a.Before = func(ctx context.Context, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}
		_, err := w.Get(t.Context(), call, refA, secret.Current)
		wantKind(t, err, secret.Unavailable)
		_, err = w.Put(t.Context(), call, refA, draft("hush"))
		wantKind(t, err, secret.Unknown)
		if w.Health()[0].State != gateway.StoreDown || w.Health()[1].State != gateway.StoreUnknown || w.Ready() != nil {
			t.Error("a store that hangs is up, or takes the gateway down with it")
		}
		if e := w.last(t); e.Result != "outcome unknown" {
			t.Errorf("audited as %q", e.Result)
		}
	})
}

func TestConcurrencyIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(o *gateway.Options) {
			o.Stores[0].Concurrency, o.Stores[0].Timeout = 2, 50*time.Millisecond
		})
		var inside, most atomic.Int64
		w.a.Before = func(ctx context.Context, _ string) error {
			most.Store(max(most.Load(), inside.Add(1)))
			defer inside.Add(-1)
			<-ctx.Done()
			return ctx.Err()
		}
		done := make(chan error)
		for range 8 {
			go func() {
				_, err := w.Get(context.Background(), call, refA, secret.Current)
				done <- err
			}()
		}
		for range 8 {
			wantKind(t, <-done, secret.Unavailable)
		}
		if most.Load() > 2 {
			t.Errorf("%d calls at once", most.Load())
		}
	})
}

// TestWith: a service with another policy works over the same stores, and
// the one before goes on by its own.
func TestWith(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, everything)
	ref := gateway.Ref{Store: "a", Name: "n"}
	if _, err := w.Put(t.Context(), call, ref, secret.Draft{Value: secret.TextValue("v")}); err != nil {
		t.Fatal(err)
	}
	next, err := w.With(t.Context(), gateway.Next{
		Policy:  access.NewPolicy([]access.Rule{{Callers: []string{"other"}, Allow: []string{"get"}, Stores: []string{"a"}, Names: []string{"n"}}}),
		Keyring: w.ring, Stores: []gateway.Store{{Name: "a", Kind: "memory"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	other := call
	other.Caller = access.Caller{ID: "other", Via: "test"}
	for what, c := range map[string]struct {
		s    *gateway.Service
		call gateway.Call
		want error
	}{
		"before": {w.Service, call, nil}, "before, for whom comes next": {w.Service, other, secret.Denied},
		"next, for who is gone": {next, call, secret.Denied}, "next": {next, other, nil},
	} {
		sec, err := c.s.Get(t.Context(), c.call, ref, secret.Selector{})
		if !errors.Is(err, c.want) || err == nil && len(sec.Versions) != 1 {
			t.Errorf("%s: %v, want %v", what, err, c.want)
		}
	}
}
