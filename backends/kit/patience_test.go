package kit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// TestPatiently: what refuses for now is asked again once the call has written,
// for as long as the call's time allows, and nothing else is.
func TestPatiently(t *testing.T) {
	t.Parallel()
	throttled := &secret.Error{Kind: secret.Throttled, RetryAfter: 7 * time.Second}
	behind := &secret.Error{Kind: secret.Unavailable, Err: kit.ErrBehind}
	for name, c := range map[string]struct {
		first  bool // a write stands before
		write  bool
		err    error
		pauses int // that the call has time for
		tries  int
	}{
		"before the first write": {false, true, throttled, 9, 1},
		"after it":               {true, true, throttled, 9, 10},
		"a read after it":        {true, false, throttled, 9, 10},
		"a replica":              {true, false, behind, 2, 3},
		"no time":                {true, true, throttled, 0, 1},
		"down":                   {true, true, secret.Errorf(secret.Unavailable, ""), 9, 1},
		"unknown":                {true, true, secret.Errorf(secret.Unknown, ""), 9, 1},
		"refused":                {true, true, secret.Errorf(secret.Upstream, ""), 9, 1},
	} {
		var paused []time.Duration
		ctx := kit.WithPatience(t.Context(), func(_ context.Context, d, _ time.Duration) bool {
			paused = append(paused, d)
			return len(paused) <= c.pauses
		})
		if err := kit.Patiently(ctx, c.first, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		tries := 0
		err := kit.Patiently(ctx, c.write, func() error { tries++; return c.err })
		if !errors.Is(err, c.err) || tries != c.tries {
			t.Errorf("%s: %d tries, want %d; %v", name, tries, c.tries, err)
		}
		for _, d := range paused {
			if errors.Is(c.err, throttled) && d != throttled.RetryAfter {
				t.Errorf("%s: a pause of %v, and the product asks for %v", name, d, throttled.RetryAfter)
			}
			if d < 250*time.Millisecond || d > time.Minute {
				t.Errorf("%s: a pause of %v", name, d)
			}
		}
	}
	tries := 0
	if err := kit.Patiently(t.Context(), true, func() error { tries++; return throttled }); err == nil || tries != 1 {
		t.Errorf("a call that nobody made patient: %d tries, %v", tries, err)
	}
}
