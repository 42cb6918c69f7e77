package migrate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/backendtest"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/archive"
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
	w.Gateway = gatewaytest.New(t, gatewaytest.Options{Archive: archive.Dir(t.TempDir()), Stores: []gateway.Store{
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

// entriesOf reads a plan as a command does.
func (w *world) entriesOf(t *testing.T, plan []byte) func(func(*migrate.Entry) error) error {
	t.Helper()
	checked, err := check(plan, w.key)
	if err != nil {
		t.Fatal(err)
	}
	r, err := migrate.NewPlanReader(bytes.NewReader(plan), keyOf(w.key))
	if err != nil {
		t.Fatal(err)
	}
	return func(do func(*migrate.Entry) error) error { return checked.Entries(r, do) }
}

// run does the plan and returns what became of each secret.
func (w *world) run(t *testing.T, ctx context.Context, plan []byte, path string) (map[secret.Name]migrate.Result, error) {
	t.Helper()
	j, err := migrate.OpenJournal(path, w.key, digest, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	out := map[secret.Name]migrate.Result{}
	run := migrate.Run{
		From: w.side("a"), To: w.side(w.to), Rules: w.rules, Key: w.key, Journal: j, Workers: 4, Finish: time.Minute,
		Tell: func(r migrate.Result) error { out[r.Entry.Name] = r; return nil },
	}
	return out, run.Do(ctx, w.entriesOf(t, plan))
}

// verdicts are those of a verification, by name.
func (w *world) verdicts(t *testing.T, plan []byte) map[secret.Name]*migrate.Verdict {
	t.Helper()
	from, to := w.side("a"), w.side(w.to)
	never := func(error) bool { return false }
	v := migrate.Verification{
		From: migrate.Live{Side: &from, Key: w.key, Ends: never}, To: migrate.Live{Side: &to, Key: w.key, Ends: never}, Key: w.key, Readers: 4,
		Listed: &from, Takes: func(secret.Name) bool { return true },
	}
	out := map[secret.Name]*migrate.Verdict{}
	if err := v.Do(t.Context(), w.entriesOf(t, plan), func(v *migrate.Verdict) error {
		out[v.Entry.Name] = v
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}
