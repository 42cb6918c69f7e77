package access

import (
	"fmt"
	"testing"
	"time"
)

// TestThrottleIsBounded: a flood of random key ids and addresses fills no
// memory, and those who failed long ago go first.
func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	th := NewThrottle(func() time.Time { return now })
	for i := range throttleSize - 1 {
		th.Failed(fmt.Sprint("stale", i), "1.1.1.1")
	}
	now = now.Add(throttleLock + time.Second)
	for range pairFree {
		th.Failed("AK", "1.1.1.1")
	}
	th.Failed("one more", "1.1.1.1")
	if len(th.pairs) != 2 || th.Locked("AK", "1.1.1.1") == 0 {
		t.Errorf("%d pairs are left of which two are fresh; AK is locked: %v", len(th.pairs), th.Locked("AK", "1.1.1.1") > 0)
	}
	most := 0
	for i := range 3 * throttleSize {
		th.Failed(fmt.Sprint("random", i), fmt.Sprint(i%7))
		most = max(most, len(th.pairs))
	}
	if most != throttleSize {
		t.Errorf("up to %d pairs were held, want %d", most, throttleSize)
	}
}

// TestThrottleEndsOnTime: the lock holds to its last instant, and no longer.
func TestThrottleEndsOnTime(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	th := NewThrottle(func() time.Time { return now })
	for range pairFree {
		th.Failed("AK", "1.1.1.1")
	}
	now = now.Add(throttleLock - 1)
	if th.Locked("AK", "1.1.1.1") != 1 {
		t.Error("the lock ended early")
	}
	now = now.Add(1)
	if th.Locked("AK", "1.1.1.1") != 0 {
		t.Error("the lock did not end")
	}
	for range pairFree - 1 {
		th.Failed("AK", "1.1.1.1")
	}
	if th.Locked("AK", "1.1.1.1") != 0 {
		t.Error("the count did not start anew")
	}
}
