package e2e

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/limits"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// moves are from one store of a gateway to another one.
type moves struct {
	*gatewaytest.Gateway
	from, to string
	rules    migrate.Rules
	key      inventory.Key
	prefix   string // of the names at the target
}

// planned is a plan, and what it says.
type planned struct {
	file    []byte
	end     *migrate.End
	entries map[secret.Name]*migrate.Entry
}

func (m *moves) side(store string) migrate.Side {
	info, _ := m.Service.Info(store)
	p, _ := limits.Named(info.Capabilities.Product)
	return migrate.Side{Store: store, Service: m.Service, Call: tester, Pace: migrate.NewPace(0, 8), Requests: migrate.Requests(p.Moves)}
}

func (m *moves) plan(t testing.TB, now func() time.Time) *planned {
	t.Helper()
	var file bytes.Buffer
	p := &planned{entries: map[secret.Name]*migrate.Entry{}}
	planner := &migrate.Planner{
		From: m.side(m.from), To: m.side(m.to), Header: migrate.Header{Run: "run", From: m.from, To: m.to, Rules: m.rules}, Key: m.key,
		Mapping: migrate.Mapping{AddPrefix: m.prefix}, Takes: func(secret.Name) bool { return true }, Readers: 4, Ends: func(error) bool { return true }, Now: now,
	}
	end, err := planner.Make(t.Context(), &file, func(e *migrate.Entry) error {
		p.entries[e.Name] = e
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	p.file, p.end = file.Bytes(), end
	return p
}

func (m *moves) read(t testing.TB, p *planned) *migrate.PlanReader {
	t.Helper()
	r, err := migrate.NewPlanReader(bytes.NewReader(p.file), func(*migrate.Header) (inventory.Key, error) { return m.key, nil })
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// run does the plan. Results are what became of each secret, and requests those that
// both products were asked.
func (m *moves) run(t testing.TB, ctx context.Context, p *planned) (results map[secret.Name]migrate.Result, requests int64) {
	t.Helper()
	checked, err := migrate.CheckPlan(m.read(t, p))
	if err != nil {
		t.Fatal(err)
	}
	j, err := migrate.OpenJournal(filepath.Join(t.TempDir(), "journal"), m.key, "plan", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	results = map[secret.Name]migrate.Result{}
	run := migrate.Run{
		From: m.side(m.from), To: m.side(m.to), Rules: m.rules, Key: m.key, Journal: j, Workers: 4, Finish: time.Minute,
		Tell: func(r migrate.Result) error { results[r.Entry.Name] = r; return nil },
	}
	err = run.Do(ctx, func(do func(*migrate.Entry) error) error { return checked.Entries(m.read(t, p), do) })
	if err = errors.Join(err, j.Close()); err != nil {
		t.Fatal(err)
	}
	return results, run.From.Pace.Requests() + run.To.Pace.Requests()
}

// background does f beside the test, which ends no earlier.
func background(t *testing.T, f func()) (wait func()) {
	t.Helper()
	var done sync.WaitGroup
	done.Go(f)
	t.Cleanup(done.Wait)
	return done.Wait
}
