package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// demoSandbox serves the stores of the demo for the length of the test.
func demoSandbox(t *testing.T) (*app, *sandbox, *http.Client, *bytes.Buffer) {
	t.Helper()
	a, out, _ := testApp(strings.NewReader(""))
	s, err := a.newSandbox("127.0.0.1:0", demoStores)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.listen(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- s.server.Run(ctx) }()
	c := s.client()
	t.Cleanup(func() {
		c.CloseIdleConnections()
		stop()
		if err := errors.Join(<-done, s.parts.close(), s.remove()); err != nil {
			t.Error(err)
		}
	})
	return a, s, c, out
}

// The comparison at the end of the demo can fail: a side that holds one
// version more, or an old version that is another, is found out.
func TestDemoFindsDifferences(t *testing.T) {
	t.Parallel()
	a, s, c, out := demoSandbox(t)
	ctx := t.Context()
	azBolt, _ := s.through(a, c, "bolt")
	azMemory, hwMemory := s.through(a, c, "memory")
	source, target := []place{{azBolt, "azure", "bolt"}}, []place{{azMemory, "azure", "memory"}}
	tour := &tour{a: a}
	if err := tour.ferry(ctx, "x", source[0], place{hwMemory, "huawei", "memory"}, source, target); err != nil {
		t.Fatal(err)
	}
	ids, err := azBolt.ids(ctx, "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := tour.old(ctx, "x", ids[0], "another value", "azure", target); !errors.Is(err, errDiffer) {
		t.Errorf("another old version: %v", err)
	}
	if _, err := azMemory.write(ctx, "x", "one more", false); err != nil {
		t.Fatal(err)
	}
	if err := tour.compare(ctx, "x", len(demoValues()), source, target); !errors.Is(err, errDiffer) {
		t.Errorf("one version more: %v", err)
	}
	if n := strings.Count(out.String(), "\nFAIL  "); n != 2 {
		t.Errorf("%d steps are marked as failed, want 2", n)
	}
	// What exists is refused, and the step says so.
	err = tour.ferry(ctx, "x", source[0], place{hwMemory, "huawei", "memory"}, source, target)
	if err == nil || !strings.Contains(err.Error(), "restore x through huawei in memory") {
		t.Errorf("restoring over what exists: %v", err)
	}
}

// The third act can fail as well: a target that loses nothing, one that takes
// what it cannot hold, and one that holds something else.
func TestThirdActFindsDifferences(t *testing.T) {
	t.Parallel()
	a, s, c, out := demoSandbox(t)
	ctx := t.Context()
	places := func(store string) []place {
		az, hw := s.through(a, c, store)
		return []place{{az, "azure", store}, {hw, "huawei", store}}
	}
	n := &narrow{tour: &tour{a: a}, s: s, name: "x", from: places("memory"), to: places("bolt"), home: places("bolt")}
	if err := n.write(ctx); err != nil {
		t.Fatal(err)
	}
	for i, act := range []func(context.Context) error{n.forecast, n.refused} { // in this order: the second finds nobody to refuse
		if err := act(ctx); !errors.Is(err, errDiffer) {
			t.Errorf("act %d over a store that holds everything: %v", i, err)
		}
	}
	n.to, n.name = places("csms"), "y"
	if err := errors.Join(n.write(ctx), n.forecast(ctx), n.refused(ctx)); err != nil {
		t.Fatal(err)
	}
	foretold := n.foretold
	n.foretold = foretold[1:]
	if err := n.archived(ctx); !errors.Is(err, errDiffer) {
		t.Errorf("what stands is not what was foretold: %v", err)
	}
	if err := n.standing(ctx, 20); err != nil {
		t.Error(err)
	}
	for id := range n.all {
		n.all[id] = "another"
	}
	if err := n.standing(ctx, 20); !errors.Is(err, errDiffer) {
		t.Errorf("other values: %v", err)
	}
	if n := strings.Count(out.String(), "FAIL  "); n < 3 {
		t.Errorf("%d steps are marked as failed", n)
	}
}
