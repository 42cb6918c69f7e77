package migrate_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/huaweicsms"
	"github.com/vaultferry/vaultferry/backends/memory"
	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/internal/gatewaytest"
	"github.com/vaultferry/vaultferry/inventory"
	"github.com/vaultferry/vaultferry/migrate"
	"github.com/vaultferry/vaultferry/secret"
)

// stage is an imitation of CSMS, or of nothing, beside a world.
type stage struct {
	*gatewaytest.Gateway
	view backends.Backend
	most atomic.Int64 // secrets that stood in it at once
}

func newStage(t *testing.T, w *world, narrow bool) *stage {
	t.Helper()
	whole := memory.New(memory.Options{})
	s := &stage{view: whole}
	if narrow {
		s.view = whole.Imitate(huaweicsms.Profile())
	}
	s.Gateway = gatewaytest.New(t, gatewaytest.Options{Keyring: w.Keyring, Stores: []gateway.Store{
		{Name: "stage", Kind: "memory", Backend: s.view}, {Name: "standing", Kind: "memory", Backend: whole},
	}})
	return s
}

func (s *stage) side(store string) migrate.Side {
	return migrate.Side{Store: store, Service: s.Service, Call: call(), Pace: migrate.NewPace(0, 4)}
}

func (s *stage) forget(ctx context.Context, n secret.Name) error {
	page, err := s.view.List(ctx, secret.Query{Limit: 100})
	if err != nil {
		return err
	}
	s.most.Store(max(s.most.Load(), int64(len(page.Secrets))))
	if _, err := s.view.Delete(ctx, n, time.Time{}); err != nil {
		if errors.Is(err, secret.NotFound) {
			return nil
		}
		return err
	}
	return s.view.Purge(ctx, n)
}

// rehearse returns what would have become of each secret.
func (w *world) rehearse(t *testing.T, plan []byte, s *stage) map[secret.Name]*migrate.Rehearsed {
	t.Helper()
	to := w.side(w.to)
	rehearsal := migrate.Rehearsal{
		From: w.side("a"), To: &to, Rules: w.rules, Key: w.key, Stage: s.side("stage"), Standing: s.side("standing"), Forget: s.forget, Workers: 2,
	}
	out := map[secret.Name]*migrate.Rehearsed{}
	if err := rehearsal.Do(t.Context(), w.entriesOf(t, plan), func(r *migrate.Rehearsed) error {
		out[r.Entry.Name] = r
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRehearseIsRun: a rehearsal in an imitation of the target says what the run says
// then, secret by secret, and leaves nothing anywhere.
func TestRehearseIsRun(t *testing.T) {
	t.Parallel()
	for onLoss, act := range map[gateway.OnLoss]int{gateway.LossAccept: 4, gateway.LossTrim: 2, gateway.LossArchive: 4} {
		t.Run(string(onLoss), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.to, w.rules.OnLoss = "narrow", onLoss
			label := func(d *secret.Draft) { d.Stages = []string{"a label of two words"} }
			w.put(t, "a", "added-to", "hush 0")
			w.put(t, "a", "taken-later", "hush 0")
			w.put(t, "a", "changed-later", "hush 0")
			for range 22 {
				w.put(t, "a", "many", "hush")
			}
			w.fill(t, "a", 8)
			w.run(t, t.Context(), first(w.plan(t, nil)), t.TempDir()+"/before")
			w.put(t, "a", "added-to", "hush 1", label)
			w.put(t, "a", "changed-later", "hush 1")
			w.put(t, "a", "labelled", "hush 2", label)
			w.put(t, "a", "plain", "hush 3")
			plan := first(w.plan(t, nil))
			w.put(t, "a", "changed-later", "hush 2")
			s := newStage(t, w, true)
			rehearsed := w.rehearse(t, plan, s)
			if page, err := w.Service.List(t.Context(), call(), "narrow", secret.Query{Limit: 100}); err != nil || len(page.Secrets) > 12 {
				t.Fatalf("the rehearsal wrote to the target: %v", err)
			}
			ran, err := w.run(t, t.Context(), plan, t.TempDir()+"/journal")
			if err != nil {
				t.Fatal(err)
			}
			if len(ran) != len(rehearsed) || len(ran) != act {
				t.Fatalf("%d secrets were rehearsed, and %d run", len(rehearsed), len(ran))
			}
			after := w.verdicts(t, plan)
			for name, was := range ran {
				would := rehearsed[name]
				if would.Step != was.Step || (would.Err == nil) != (was.Err == nil) || would.Err != nil && would.Err.Error() != was.Err.Error() {
					t.Errorf("%s: would be %s (%v), and was %s (%v)", name, would.Step, would.Err, was.Step, was.Err)
				}
				if v := would.Verdict; v != nil && (v.Sign != after[name].Sign || v.Foretold != after[name].Foretold) {
					t.Errorf("%s: would compare as %c (foretold: %v), and does as %c (%v)", name, v.Sign, v.Foretold, after[name].Sign, after[name].Foretold)
				}
			}
			if page, err := s.view.List(t.Context(), secret.Query{Limit: 100, WithTrash: true}); err != nil || len(page.Secrets) > 0 {
				t.Errorf("%d secrets are left in the imitation: %v", len(page.Secrets), err)
			}
			if n := s.most.Load(); n > 3 {
				t.Errorf("%d secrets stood in the imitation at once", n)
			}
		})
	}
}

func first(plan []byte, _ *migrate.End) []byte { return plan }

// TestRehearseElsewhere: another product than the target's answers for itself.
func TestRehearseElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(t, "a", "labelled", "hush", func(d *secret.Draft) { d.Stages = []string{"a label of two words"} })
	w.put(t, "a", "plain", "hush")
	plan := first(w.plan(t, nil))
	got := w.rehearse(t, plan, newStage(t, w, true))
	if r := got["labelled"]; !errors.Is(r.Err, secret.Lossy) || !strings.Contains(r.Err.Error(), "stages") {
		t.Errorf("a label that the product cannot hold: %v", r.Err)
	}
	if r := got["plain"]; r.Err != nil || r.Verdict.Sign != inventory.Same {
		t.Errorf("a plain secret: %v", r.Err)
	}

	for range 21 {
		w.put(t, "a", "many", "hush")
	}
	w.rules.OnLoss = gateway.LossAccept
	got = w.rehearse(t, first(w.plan(t, nil)), newStage(t, w, true))
	if r := got["many"]; !errors.Is(r.Err, secret.Lossy) || !strings.Contains(r.Err.Error(), "that version 1 is not kept: CSMS holds 20 versions") {
		t.Errorf("a version that the product has no room for: %v", r.Err)
	}
}
