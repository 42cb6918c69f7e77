package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// TestThrottled: what is refused for now is asked again, and every secret arrives.
func TestThrottled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 8)
	plan, _ := w.plan(t, nil)
	refusals := atomic.Int64{}
	w.b.Before = func(_ context.Context, method string) error {
		if method == "Import" && refusals.Add(1) <= 20 {
			return &secret.Error{Kind: secret.Throttled, RetryAfter: 20 * time.Millisecond}
		}
		return nil
	}
	journal := filepath.Join(t.TempDir(), "j")
	out, err := w.run(t, t.Context(), plan, journal)
	if err != nil || len(out) != 8 {
		t.Fatalf("%+v, %v", out, err)
	}
	told := int64(0)
	if err := migrate.ReadJournal(journal, w.key, digest, func(l migrate.Line) { told += l.Refused }); err != nil || told < 20 {
		t.Errorf("the journal tells of %d refused requests, %v", told, err)
	}
	for name, v := range w.verdicts(t, plan) {
		if v.Sign != inventory.Same {
			t.Errorf("%s: %c", name, v.Sign)
		}
	}
}

// intruded is a store in which somebody else writes at the moment of each import.
type intruded struct {
	backends.Backend
	by secret.Draft
}

func (i intruded) Import(ctx context.Context, s *secret.Secret, token string) (*backends.Imported, error) {
	out, err := i.Backend.Import(ctx, s, token)
	if err != nil {
		return nil, err
	}
	if _, err := i.Put(ctx, s.Name, i.by); err != nil {
		return nil, err
	}
	out.Secret, err = i.Describe(ctx, s.Name)
	return out, err
}

// TestIntruded: a version that somebody else wrote at the same moment is reported,
// and stays.
func TestIntruded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 2)
	plan, _ := w.plan(t, nil)
	w.b.Backend = intruded{w.b.Backend, secret.Draft{Value: secret.TextValue("foreign")}}
	path := filepath.Join(t.TempDir(), "j")
	out, err := w.run(t, t.Context(), plan, path)
	if err != nil || len(out) != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	for name, r := range out {
		if r.Step != migrate.Failed || !strings.Contains(r.Err.Error(), "beside it 1 versions that are not its own") {
			t.Errorf("%s: %+v", name, r)
		}
		sec, err := w.Service.Describe(t.Context(), call(), gateway.Ref{Store: "b", Name: name})
		if err != nil || len(sec.Versions) != 3 {
			t.Errorf("%s: %+v, %v", name, sec, err)
		}
	}
	for name, e := range w.entries(t) {
		if e.Class != migrate.Conflict {
			t.Errorf("a second plan: %s: %+v", name, e)
		}
	}
}

// TestSourceChangesMeanwhile: what changes at the source while the run is at work, and
// was not reached yet, is skipped and named; the rest arrives.
func TestSourceChangesMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 8) // of which four are on their way at once
	plan, _ := w.plan(t, nil)
	var once sync.Once
	w.b.Before = func(_ context.Context, method string) error {
		if method == "Import" {
			once.Do(func() {
				w.put(t, "a", "s06", "hush new")
				if _, err := w.Service.Delete(t.Context(), call(), gateway.Ref{Store: "a", Name: "s07"}); err != nil {
					t.Error(err)
				}
			})
		}
		return nil
	}
	out, err := w.run(t, t.Context(), plan, filepath.Join(t.TempDir(), "j"))
	if err != nil || len(out) != 8 {
		t.Fatalf("%+v, %v", out, err)
	}
	skipped := map[secret.Name]string{"s06": "the source has changed since the plan was made", "s07": "the source has it no more"}
	for name, r := range out {
		why := skipped[name]
		switch {
		case why == "" && (r.Step != migrate.Done || r.Err != nil):
			t.Errorf("%s: %+v", name, r)
		case why != "" && (r.Step != migrate.Skipped || r.Err == nil || !strings.HasPrefix(r.Err.Error(), why)):
			t.Errorf("%s: %+v", name, r)
		}
		_, err := w.Service.Describe(t.Context(), call(), gateway.Ref{Store: "b", Name: name})
		if stands := err == nil; stands != (why == "") {
			t.Errorf("%s stands at the target: %v, %v", name, stands, err)
		}
	}
}

// TestNoJournalNoWrite: nothing is written that the journal cannot say.
func TestNoJournalNoWrite(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 4)
	plan, _ := w.plan(t, nil)
	r, err := migrate.NewPlanReader(bytes.NewReader(plan), keyOf(w.key))
	if err != nil {
		t.Fatal(err)
	}
	checked, err := check(plan, w.key)
	if err != nil {
		t.Fatal(err)
	}
	j, err := migrate.OpenJournal(filepath.Join(t.TempDir(), "j"), w.key, digest, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	_ = j.Close() // as a disk that takes nothing more
	run := migrate.Run{
		From: w.side("a"), To: w.side("b"), Rules: w.rules, Key: w.key, Journal: j, Workers: 2, Finish: time.Minute,
		Tell: func(migrate.Result) error { return nil },
	}
	err = run.Do(t.Context(), func(do func(*migrate.Entry) error) error { return checked.Entries(r, do) })
	if err == nil || !strings.Contains(err.Error(), "the journal cannot be written, so nothing more is done") {
		t.Errorf("%v", err)
	}
	if page, err := w.Service.List(t.Context(), call(), "b", secret.Query{}); err != nil || len(page.Secrets) > 0 {
		t.Errorf("%d secrets were written, %v", len(page.Secrets), err)
	}
}

// TestFailuresOfTheTarget: a write of unknown outcome is made again as the same
// one, what fails is named, and a dead credential ends the run early.
func TestFailuresOfTheTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 6)
	plan, _ := w.plan(t, nil)
	path := filepath.Join(t.TempDir(), "j")
	imports := atomic.Int64{}
	w.b.Before = func(_ context.Context, method string) error {
		if method == "Import" && imports.Add(1) == 3 {
			return secret.Errorf(secret.Invalid, "no")
		}
		return nil
	}
	lost := atomic.Int64{}
	w.b.After = func(_ context.Context, method string) error { // each answer once
		if method == "Import" && lost.Add(1) <= 5 {
			return secret.Errorf(secret.Unknown, "the answer is lost")
		}
		return nil
	}
	out, err := w.run(t, t.Context(), plan, path)
	failed := secret.Name("")
	for name, r := range out {
		if r.Step == migrate.Failed && failed == "" {
			failed = name
		} else if r.Step != migrate.Done {
			t.Errorf("%s: %+v", name, r)
		}
	}
	if err != nil || len(out) != 6 || failed == "" {
		t.Fatalf("%+v, %v", out, err)
	}
	w.b.After, w.b.Before = nil, func(_ context.Context, method string) error {
		if method == "Import" {
			return kit.Dead(secret.Errorf(secret.Upstream, "no"))
		}
		return nil
	}
	if _, err = w.run(t, t.Context(), plan, path); !errors.Is(err, kit.ErrDeadCredential) {
		t.Fatalf("a dead credential: %v", err)
	}
	w.b.Before = nil
	out, err = w.run(t, t.Context(), plan, path)
	if err != nil || len(out) != 6 {
		t.Fatalf("%+v, %v", out, err)
	}
	for name, r := range out {
		if r.Step != migrate.Done || r.Before == (name == failed) {
			t.Errorf("%s: %+v", name, r)
		}
	}
	for name, v := range w.verdicts(t, plan) {
		if v.Sign != inventory.Same {
			t.Errorf("%s: %c", name, v.Sign)
		}
	}
}

// TestEndedBeforeItBegan: a run that is told to end writes nothing more, and the
// next one does all.
func TestEndedBeforeItBegan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 6)
	plan, _ := w.plan(t, nil)
	path := filepath.Join(t.TempDir(), "j")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out, err := w.run(t, ctx, plan, path); !errors.Is(err, context.Canceled) || len(out) != 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	if out, err := w.run(t, t.Context(), plan, path); err != nil || len(out) != 6 {
		t.Fatalf("%+v, %v", out, err)
	}
}

// TestPace: never more calls at once than allowed, fewer after a refusal, and more
// again as calls succeed.
func TestPace(t *testing.T) {
	t.Parallel()
	p := migrate.NewPace(0, 8)
	refused := false
	calls := 0
	err := p.Do(t.Context(), func(ctx context.Context) error {
		if calls++; !refused {
			refused = true
			backends.Refused(ctx, 0)
			return secret.Errorf(secret.Throttled, "later")
		}
		backends.CountCall(ctx)
		return nil
	})
	if err != nil || calls != 2 || p.Refusals() != 1 || p.Requests() != 1 {
		t.Errorf("%d calls, %d refusals, %d requests, %v", calls, p.Refusals(), p.Requests(), err)
	}
	stop := secret.Errorf(secret.Invalid, "no")
	if err := p.Do(t.Context(), func(context.Context) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Do(ctx, func(context.Context) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
