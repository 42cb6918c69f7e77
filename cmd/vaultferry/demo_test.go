package main

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// The comparison at the end of the demo can fail: a side that holds one
// version more, or an old version that is another, is found out.
func TestDemoFindsDifferences(t *testing.T) {
	t.Parallel()
	a, out, _ := testApp(strings.NewReader(""))
	s, err := a.newSandbox("127.0.0.1:0", demoStores)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.listen(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.server.Run(ctx) }()
	defer func() {
		stop()
		if err := errors.Join(<-done, s.parts.close(), s.remove()); err != nil {
			t.Error(err)
		}
	}()
	c := s.client()
	defer c.CloseIdleConnections()
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
