package demo

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/all"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/gateway/archive"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/secret"
)

// served is a gateway over the stores of the demo, and the steps of a runner
// that went wrong.
type served struct {
	*runner
	wrong []Step
}

func serve(t *testing.T) *served {
	t.Helper()
	keys := gatewaytest.NewKeyring(t)
	var stores []gateway.Store
	for _, c := range Stores(t.TempDir()) {
		driver, err := all.Registry().Find(c.Backend)
		if err != nil {
			t.Fatal(err)
		}
		b, err := driver.Open(t.Context(), backends.Env{Store: c.Name, Keys: keys, Now: time.Now}, c.Section())
		if err != nil {
			t.Fatal(err)
		}
		stores = append(stores, gateway.Store{Name: c.Name, Kind: c.Backend, Backend: b})
	}
	running := gatewaytest.New(t, gatewaytest.Options{Keyring: keys, Stores: stores})
	kept := archive.Dir(t.TempDir())
	g := &Gateway{
		Client: running.Client, Vaults: map[string]string{}, Projects: map[string]string{}, Now: time.Now,
		Token: running.Token, AccessKey: running.AccessKey, SecretKey: secret.TextValue(running.SecretKey),
		RestoreWithArchive: func(ctx context.Context, store string, blob []byte, dryRun bool) (*gateway.Outcome, error) {
			call := gateway.Call{Caller: access.Local("tester"), Op: "cli.restore"}
			return running.Service.Restore(ctx, call, store, blob, gateway.RestoreOptions{OnLoss: gateway.LossArchive, DryRun: dryRun, Archive: kept})
		},
	}
	for _, st := range stores {
		g.Vaults[st.Name], g.Projects[st.Name] = running.VaultURL(st.Name), running.Endpoint()+"/v1/"+gatewaytest.Project(st.Name)
	}
	s := &served{}
	s.runner = &runner{g: g, o: Options{Report: func(step Step) error {
		if !step.OK {
			s.wrong = append(s.wrong, step)
		}
		return nil
	}}}
	return s
}

func (s *served) both(store string) []view {
	azure, huawei := s.g.views(store)
	return []view{azure, huawei}
}

// TestRun: over a gateway that works every step goes as it must, and shows no
// value unless it is to.
func TestRun(t *testing.T) {
	t.Parallel()
	s := serve(t)
	steps, shown := 0, 0
	o := Options{Report: func(step Step) error {
		if steps++; !step.OK {
			t.Errorf("%+v", step)
		}
		if strings.Contains(step.Did, "correct horse") {
			shown++
		}
		return nil
	}}
	if err := Run(t.Context(), *s.g, o); err != nil || steps < 25 || shown > 0 {
		t.Errorf("%d steps, %d show a value, %v", steps, shown, err)
	}
	revealing := &runner{o: Options{Reveal: true}}
	if got := revealing.mask("x"); got != `"x"` {
		t.Errorf("revealed is %s", got)
	}
}

// The comparison at the end of the demo can fail: a side that holds one
// version more, or an old version that is another, is found out.
func TestFindsDifferences(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx := t.Context()
	azureBolt, _ := s.g.views(boltStore)
	azureMemory, huaweiMemory := s.g.views(memoryStore)
	source, target := []view{azureBolt}, []view{azureMemory}
	if err := s.move(ctx, "x", azureBolt, huaweiMemory, source, target); err != nil {
		t.Fatal(err)
	}
	ids, err := azureBolt.ids(ctx, "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.readOld(ctx, "x", ids[0], "another value", "azure", target); !errors.Is(err, errDiffer) {
		t.Errorf("another old version: %v", err)
	}
	if _, err := azureMemory.write(ctx, "x", "one more", false); err != nil {
		t.Fatal(err)
	}
	if err := s.compare(ctx, "x", len(values()), source, target); !errors.Is(err, errDiffer) {
		t.Errorf("one version more: %v", err)
	}
	if len(s.wrong) != 2 {
		t.Errorf("%d steps are marked as failed, want 2", len(s.wrong))
	}
	// What exists is refused, and the step says so.
	err = s.move(ctx, "x", azureBolt, huaweiMemory, source, target)
	if err == nil || !strings.Contains(err.Error(), "restore x through huawei in memory") {
		t.Errorf("restoring over what exists: %v", err)
	}
}

// The third act can fail as well: a target that loses nothing, one that takes
// what it cannot hold, and one that holds something else.
func TestLossActFindsDifferences(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ctx := t.Context()
	act := &lossAct{runner: s.runner, name: "x", from: s.both(memoryStore), to: s.both(boltStore), home: s.both(boltStore)}
	if err := act.write(ctx); err != nil {
		t.Fatal(err)
	}
	for i, step := range []func(context.Context) error{act.forecast, act.refused} { // in this order: the second finds nobody to refuse
		if err := step(ctx); !errors.Is(err, errDiffer) {
			t.Errorf("step %d over a store that holds everything: %v", i, err)
		}
	}
	act.to, act.name = s.both(csmsStore), "y"
	if err := errors.Join(act.write(ctx), act.forecast(ctx), act.refused(ctx)); err != nil {
		t.Fatal(err)
	}
	act.foretold = act.foretold[1:]
	if err := act.archived(ctx); !errors.Is(err, errDiffer) {
		t.Errorf("what stands is not what was foretold: %v", err)
	}
	if err := act.standing(ctx, 20); err != nil {
		t.Error(err)
	}
	for id := range act.all {
		act.all[id] = "another"
	}
	if err := act.standing(ctx, 20); !errors.Is(err, errDiffer) {
		t.Errorf("other values: %v", err)
	}
	if len(s.wrong) < 3 {
		t.Errorf("%d steps are marked as failed", len(s.wrong))
	}
}
