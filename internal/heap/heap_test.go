package heap

import (
	"context"
	"runtime"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemoryIsGivenBackAfterWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, memoryIsGivenBackAfterWork)
}

func memoryIsGivenBackAfterWork(t *testing.T) {
	var total uint64
	given := 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	look := make(chan time.Time)
	go keep(ctx, look, func() uint64 { return total }, func() { given++ })
	synctest.Wait()
	for i, step := range []struct {
		more uint64
		want int
	}{
		{busy, 0},                        // the start is not over
		{0, 1},                           // it is
		{busy / 2, 1},                    // work
		{quiet / 2, 1},                   // too little to be worth it
		{busy, 1}, {busy, 1}, {quiet, 1}, // work
		{quiet - 1, 2}, {0, 2}, {quiet - 1, 2}, {quiet - 1, 2}, // it is over
		{busy + 1, 2}, {0, 3}, // and again
	} {
		total += step.more
		look <- time.Time{}
		synctest.Wait()
		if given != step.want {
			t.Fatalf("step %d: given back %d times, want %d", i, given, step.want)
		}
	}
}

// TestBallast: the collector counts it.
func TestBallast(t *testing.T) { // not in parallel: it reads the heap of the whole process
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		Keep(ctx)
	}()
	for goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}; ; {
		runtime.GC()
		if metrics.Read(goal); goal[0].Value.Uint64() > 2*ballast {
			break
		}
	}
	stop()
	<-done
}
