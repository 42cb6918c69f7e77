package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// world is a gateway over the stores of a move: a, and b, which can be made to
// fail, and narrow, which holds what CSMS holds.
type world struct {
	*gatewaytest.Gateway
	b       *backendtest.Faulty
	key     inventory.Key
	to      string
	rules   migrate.Rules
	mapping migrate.Mapping
	names   []secret.Name
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{b: &backendtest.Faulty{Backend: memory.New(memory.Options{})}, key: inventory.NewKey(), to: "b"}
	w.rules = migrate.Rules{OnConflict: gateway.ConflictFail, OnLoss: gateway.LossFail}
	w.Gateway = gatewaytest.New(t, gatewaytest.Options{Stores: []gateway.Store{
		{Name: "a", Kind: "memory", Backend: memory.New(memory.Options{})},
		{Name: "b", Kind: "memory", Backend: w.b},
		{Name: "narrow", Kind: "memory", Backend: memory.New(memory.Options{}).Imitate(huaweicsms.Profile())},
	}})
	return w
}

func call() gateway.Call {
	return gateway.Call{Caller: access.Caller{ID: gatewaytest.Caller}, Op: "test", Timeout: time.Minute}
}

func (w *world) side(store string) migrate.Side {
	return migrate.Side{Store: store, Service: w.Service, Call: call(), Pace: migrate.NewPace(0, 4)}
}

func (w *world) put(t *testing.T, store string, name secret.Name, value string, edit ...func(*secret.Draft)) {
	t.Helper()
	d := secret.Draft{Value: secret.TextValue(value)}
	for _, e := range edit {
		e(&d)
	}
	if _, err := w.Service.Put(t.Context(), call(), gateway.Ref{Store: store, Name: name}, d); err != nil {
		t.Fatal(err)
	}
}

// fill writes n secrets of two versions.
func (w *world) fill(t *testing.T, store string, n int) {
	t.Helper()
	for i := range n {
		for v := range 2 {
			w.put(t, store, secret.Name(fmt.Sprintf("s%02d", i)), fmt.Sprintf("hush %d %d", i, v))
		}
	}
}

func (w *world) planner() *migrate.Planner {
	return &migrate.Planner{
		From: w.side("a"), To: w.side(w.to), Header: migrate.Header{Run: "run", From: "a", To: w.to, Rules: w.rules}, Key: w.key,
		Mapping: w.mapping, Names: w.names, Takes: func(secret.Name) bool { return true }, Readers: 4,
		Ends: func(err error) bool { return errors.Is(err, secret.Unavailable) }, Now: time.Now,
	}
}

func (w *world) plan(t *testing.T, tell func(*migrate.Entry) error) ([]byte, *migrate.End) {
	t.Helper()
	if tell == nil {
		tell = drain
	}
	var b bytes.Buffer
	end, err := w.planner().Make(t.Context(), &b, tell)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), end
}

// entries are those of a plan, by name.
func (w *world) entries(t *testing.T) map[secret.Name]*migrate.Entry {
	t.Helper()
	all := map[secret.Name]*migrate.Entry{}
	w.plan(t, func(e *migrate.Entry) error { all[e.Name] = e; return nil })
	return all
}

// run does the plan and returns what became of each secret.
func (w *world) run(t *testing.T, ctx context.Context, plan []byte, path string) (map[secret.Name]migrate.Result, error) {
	t.Helper()
	r, err := migrate.NewPlanReader(bytes.NewReader(plan), keyOf(w.key))
	if err != nil {
		t.Fatal(err)
	}
	j, err := migrate.OpenJournal(path, w.key, digest, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	checked, err := check(plan, w.key)
	if err != nil {
		t.Fatal(err)
	}
	out := map[secret.Name]migrate.Result{}
	run := migrate.Run{
		From: w.side("a"), To: w.side(w.to), Rules: w.rules, Key: w.key, Journal: j, Workers: 4, Finish: time.Minute,
		Tell: func(r migrate.Result) error { out[r.Entry.Name] = r; return nil },
	}
	return out, run.Do(ctx, func(do func(*migrate.Entry) error) error { return checked.Entries(r, do) })
}

// verdicts are those of a verification, by name.
func (w *world) verdicts(t *testing.T, plan []byte) map[secret.Name]*migrate.Verdict {
	t.Helper()
	r, err := migrate.NewPlanReader(bytes.NewReader(plan), keyOf(w.key))
	if err != nil {
		t.Fatal(err)
	}
	checked, err := check(plan, w.key)
	if err != nil {
		t.Fatal(err)
	}
	v := migrate.Verification{
		From: w.side("a"), To: w.side(w.to), Key: w.key, Readers: 4,
		Takes: func(secret.Name) bool { return true }, Ends: func(error) bool { return false },
	}
	out := map[secret.Name]*migrate.Verdict{}
	if err := v.Do(t.Context(), func(do func(*migrate.Entry) error) error { return checked.Entries(r, do) }, func(v *migrate.Verdict) error {
		out[v.Entry.Name] = v
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestClasses: each secret has the class that its two sides give it.
func TestClasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []secret.Name{"create", "append", "same", "changed", "conflict", "deleted", "trashed", "behind"} {
		w.put(t, "a", name, "one")
	}
	if plan, _ := w.plan(t, nil); true {
		if _, err := w.run(t, t.Context(), plan, filepath.Join(t.TempDir(), "j")); err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	ref := func(store string, name secret.Name) gateway.Ref { return gateway.Ref{Store: store, Name: name} }
	must := func(_ *secret.Secret, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(w.Service.Delete(ctx, call(), ref("a", "deleted")))
	must(w.Service.Delete(ctx, call(), ref("b", "trashed")))
	must(w.Service.Delete(ctx, call(), ref("b", "create")))
	if err := w.Service.Purge(ctx, call(), ref("b", "create")); err != nil {
		t.Fatal(err)
	}
	w.put(t, "a", "append", "two")
	w.put(t, "a", "behind", "two")
	w.put(t, "b", "behind", "foreign")
	w.put(t, "b", "conflict", "two")
	description := "another"
	must(w.Service.Update(ctx, call(), ref("b", "changed"), secret.Current, secret.Patch{Description: &description}))
	got := w.entries(t)
	for name, want := range map[secret.Name]struct {
		class    migrate.Class
		action   migrate.Action
		versions string
		why      string
	}{
		"create":   {migrate.Create, migrate.DoCreate, "[1]", ""},
		"append":   {migrate.Append, migrate.DoAppend, "[2]", ""},
		"same":     {migrate.Same, "", "[]", ""},
		"changed":  {migrate.Changed, "", "[]", ""},
		"conflict": {migrate.Conflict, "", "[]", "the target has versions that the source does not have"},
		"behind":   {migrate.Conflict, "", "[]", "the target has versions that the source does not have"},
		"deleted":  {migrate.Deleted, "", "[]", "it lies in the source's trash until"},
		"trashed":  {migrate.Conflict, "", "[]", "the name lies in the target's trash"},
	} {
		e := got[name]
		if e == nil || e.Class != want.class || e.Action != want.action || fmt.Sprint(e.Versions) != want.versions || !strings.HasPrefix(e.Why, want.why) || want.why == "" && e.Why != "" {
			t.Errorf("%s: %+v, want %+v", name, e, want)
		}
	}
	if parts := fmt.Sprint(got["changed"].Differs); !strings.HasPrefix(parts, "[{0 description}") {
		t.Errorf("changed: %s", parts)
	}
	w.rules.OnConflict = gateway.ConflictAppend
	got = w.entries(t)
	if e := got["behind"]; e.Action != migrate.DoAppend || fmt.Sprint(e.Versions) != "[2]" || e.Foreign != 1 {
		t.Errorf("behind, to be appended: %+v", e)
	}
	if e := got["conflict"]; e.Action != "" {
		t.Errorf("conflict, with nothing to append: %+v", e)
	}
}

// TestLosses: what would be lost is told with its grade, and the choice by words
// decides; what was foretold is no difference afterwards, and no second plan wants
// it again.
func TestLosses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.to = "narrow"
	w.put(t, "a", "large", strings.Repeat("x", 40_000))
	w.put(t, "a", "large", "small")
	w.put(t, "a", "huge", strings.Repeat("x", 40_000))
	w.put(t, "a", "plain", "x")
	for i := range 25 {
		w.put(t, "a", "many", fmt.Sprint("v", i))
	}
	for choice, want := range map[string]string{
		"fail":        "huge=refused/ large=loses/ many=loses/ plain=create/create",
		"version":     "huge=refused/ large=loses/create many=loses/create plain=create/create",
		"trim-oldest": "huge=refused/ large=loses/ many=loses/create plain=create/create",
	} {
		w.rules = migrate.Rules{OnConflict: gateway.ConflictFail, OnLoss: gateway.LossFail}
		switch choice {
		case "version":
			w.rules.OnLossOf = map[string]gateway.OnLoss{"version": gateway.LossAccept}
		case "trim-oldest":
			w.rules.OnLoss = gateway.LossTrim
		}
		var got []string
		all := w.entries(t)
		for _, name := range []secret.Name{"huge", "large", "many", "plain"} {
			got = append(got, fmt.Sprintf("%s=%s/%s", name, all[name].Class, all[name].Action))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %s\nwant %s", choice, s, want)
		}
	}
	w.rules.OnLoss, w.rules.OnLossOf = gateway.LossFail, map[string]gateway.OnLoss{"version": gateway.LossAccept}
	plan, _ := w.plan(t, nil)
	if out, err := w.run(t, t.Context(), plan, filepath.Join(t.TempDir(), "j")); err != nil || len(out) != 3 {
		t.Fatal(out, err)
	}
	for name, v := range w.verdicts(t, plan) {
		if v.Differs() != (name == "huge") {
			t.Errorf("verify %s: %c, foretold %v, %v", name, v.Sign, v.Foretold, v.Parts)
		}
	}
	for name, e := range w.entries(t) {
		if e.Action != "" {
			t.Errorf("a second plan would write %s: %+v", name, e)
		}
	}
}

// TestCollisions refuse the plan.
func TestCollisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, "a", "x.y", "1")
	w.put(t, "a", "x_y", "2")
	replace, err := migrate.ParseReplacement("[._]=-")
	if err != nil {
		t.Fatal(err)
	}
	w.mapping.Replace = []migrate.Replacement{replace}
	var b bytes.Buffer
	_, err = w.planner().Make(t.Context(), &b, drain)
	if _, ok := errors.AsType[*migrate.CollisionError](err); !ok || !strings.Contains(err.Error(), `"x.y" and "x_y" become "x-y"`) {
		t.Errorf("%v", err)
	}
}

// TestTwins: names that differ in case alone are noted where nobody can tell them
// apart.
func TestTwins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []secret.Name{"One", "one", "two"} {
		w.put(t, "a", name, "x")
	}
	for _, folds := range []bool{false, true} {
		p, got := w.planner(), map[secret.Name]int{}
		p.To.FoldsCase = folds
		if _, err := p.Make(t.Context(), new(bytes.Buffer), func(e *migrate.Entry) error { got[e.Name] = len(e.Notes); return nil }); err != nil {
			t.Fatal(err)
		}
		if noted := got["One"] == 1 && got["one"] == 1; noted != folds || got["two"] != 0 {
			t.Errorf("folds %v: %v", folds, got)
		}
	}
}

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

// TestNamed: of names that were given, one that is not there is told.
func TestNamed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill(t, "a", 3)
	w.names = []secret.Name{"s01", "absent", "s01"}
	got := w.entries(t)
	if len(got) != 2 || got["s01"].Class != migrate.Create || got["absent"].Class != migrate.Unreadable {
		t.Errorf("%+v", got)
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
