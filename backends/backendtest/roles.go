package backendtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// roleStep is a write that moves roles, and who holds them after it.
type roleStep struct {
	keep, take        bool           // of a Put, where at is zero
	at                secret.Ordinal // the version that an Update is of
	p                 secret.Patch
	current, previous secret.Ordinal
}

func (s roleStep) String() string {
	if s.at == 0 {
		return fmt.Sprintf("Put (keep %v, take %v)", s.keep, s.take)
	}
	return fmt.Sprintf("Update of %d (current %v, previous %v)", s.at, s.p.MakeCurrent, s.p.MakePrevious)
}

var (
	makeCurrent  = secret.Patch{MakeCurrent: true}
	makePrevious = secret.Patch{MakePrevious: true}
)

// testRoles: a draft says which roles it takes, and every read says the same.
func testRoles(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	needRoom(t, b, 5)
	moveRoles(ctx, t, b, []roleStep{
		{keep: true, take: true, current: 1}, // the first is current whatever the draft says
		{current: 2, previous: 1},
		{keep: true, current: 2, previous: 1},
		{keep: true, take: true, current: 2, previous: 4},
		{current: 5, previous: 2},
	})
}

// testRolesMove: roles go back and forth between versions of every age, and a
// new version takes over from whoever is current then.
func testRolesMove(t *testing.T, h Harness) {
	ctx, b := begin(t, h)
	needRoom(t, b, 7)
	moveRoles(ctx, t, b, rolesBackAndForth())
}

func rolesBackAndForth() []roleStep {
	return []roleStep{
		{current: 1},
		{current: 2, previous: 1},
		{current: 3, previous: 2},
		{at: 1, p: makeCurrent, current: 1, previous: 3},
		{at: 1, p: makeCurrent, current: 1, previous: 3},
		{at: 2, p: makePrevious, current: 1, previous: 2},
		{at: 2, p: makeCurrent, current: 2, previous: 1},
		{at: 3, p: makeCurrent, current: 3, previous: 2},
		{at: 2, p: makeCurrent, current: 2, previous: 3},
		{keep: true, current: 2, previous: 3},
		{keep: true, take: true, current: 2, previous: 5},
		{at: 4, p: makePrevious, current: 2, previous: 4},
		{current: 6, previous: 2},
		{at: 5, p: makeCurrent, current: 5, previous: 6},
		{keep: true, current: 5, previous: 6},
	}
}

func moveRoles(ctx context.Context, t *testing.T, b backends.Backend, steps []roleStep) {
	t.Helper()
	puts := secret.Ordinal(0)
	for _, step := range steps {
		var s *secret.Secret
		var err error
		if step.at == 0 {
			d := text(canary + step.String())
			d.KeepCurrent, d.TakePrevious = step.keep, step.take
			s, err = b.Put(ctx, "s", d)
			puts++
		} else {
			s, err = b.Update(ctx, "s", secret.ByOrdinal(step.at), step.p)
		}
		if err != nil {
			t.Fatalf("%v: %v", step, checkErr(t, err))
		}
		if n := s.Newest().Ordinal; step.at == 0 && n != puts {
			t.Fatalf("%v: it is version %d, want %d", step, n, puts)
		}
		checkRoles(ctx, t, b, step, s)
	}
}

// checkRoles proves that the answer s to a step, and every way to read, say
// who holds the roles after it.
func checkRoles(ctx context.Context, t *testing.T, b backends.Backend, step roleStep, s *secret.Secret) {
	t.Helper()
	p, err := b.List(ctx, secret.Query{})
	if err != nil || len(p.Secrets) != 1 || p.Secrets[0].Find(secret.Current) == nil {
		t.Fatalf("List after %v: %d secrets, or no current version: %v", step, len(p.Secrets), err)
	}
	whole := export(ctx, t, b, "s")
	current := getSecret(ctx, t, b, "s", secret.ByOrdinal(step.current))
	for what, got := range map[string]*secret.Secret{
		"the answer": s, "Get": getCurrent(ctx, t, b, whole), "Get by ordinal": current, "Get of the first": getSecret(ctx, t, b, "s", secret.ByOrdinal(1)),
		"Describe": describe(ctx, t, b, "s"), "Export": whole, "List": p.Secrets[0],
	} {
		if got.Current != step.current || got.Previous != step.previous {
			t.Errorf("%s after %v: current %d, previous %d; want %d, %d", what, step, got.Current, got.Previous, step.current, step.previous)
		}
	}
	compareAs(t, fmt.Sprintf("Get of current after %v", step), whole.Only(step.current), getCurrent(ctx, t, b, whole))
	compareAs(t, fmt.Sprintf("Get by ordinal after %v", step), whole.Only(step.current), current)
}

// testRolesStay: deletion, recovery and a move to another store take nothing
// from the roles, and life goes on from them.
func testRolesStay(t *testing.T, h Harness) {
	ctx, b, tr := beginTrash(t, h)
	needRoom(t, b, 9)
	steps := rolesBackAndForth()
	moveRoles(ctx, t, b, steps)
	last := steps[len(steps)-1]
	before := export(ctx, t, b, "s")
	checkTrashed(ctx, t, b, tr, remove(ctx, t, b, tr, "s"))
	checkRoles(ctx, t, b, last, recoverTrash(ctx, t, tr, "s"))
	compareAs(t, "after Recover", before, export(ctx, t, b, "s"))

	other := h.Open(t)
	losses := other.Forecast(before)
	checkRoles(ctx, t, other, last, mustImport(ctx, t, other, before, "").Secret)
	Compare(t, before, export(ctx, t, other, "s"), losses)
	for what, store := range map[string]backends.Backend{"after Recover": b, "after Import": other} {
		s := putSecret(ctx, t, store, "s", text(canary+"next"))
		if o := s.Newest().Ordinal; s.Current != o || s.Previous != last.current || o <= before.Newest().Ordinal {
			t.Errorf("%s: version %d is written; current %d, previous %d", what, o, s.Current, s.Previous)
		}
		kept := text(canary + "kept")
		kept.KeepCurrent = true
		if k := putSecret(ctx, t, store, "s", kept); k.Current != s.Current || k.Previous != last.current {
			t.Errorf("%s, current kept: current %d, previous %d; want %d, %d", what, k.Current, k.Previous, s.Current, last.current)
		}
	}
}
