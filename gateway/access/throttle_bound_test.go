package access

import (
	"strings"
	"testing"
	"time"
)

// TestThrottleOfLongKeys: what is remembered of a key does not grow with it,
// and long keys are still told apart.
func TestThrottleOfLongKeys(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	th := NewThrottle(func() time.Time { return now })
	long := strings.Repeat("k", 31<<10)
	for range pairFree {
		th.Failed(long, "addr")
	}
	if th.Locked(long, "addr") != throttleLock {
		t.Error("a long key is not locked")
	}
	for _, other := range []string{long + "k", long[:maxKey], long[:maxKey+1]} {
		if th.Locked(other, "addr") != 0 {
			t.Errorf("another key of %d bytes is locked", len(other))
		}
	}
	for p := range th.pairs {
		if len(p.key) > maxKey {
			t.Errorf("%d bytes are kept of a key", len(p.key))
		}
	}
	th.Succeeded(long, "addr", true)
	if len(th.pairs) != 0 {
		t.Error("it is not forgotten")
	}
}
