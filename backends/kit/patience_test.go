package kit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// TestPatiently: what refuses for now is asked again once the call has written, or
// was answered, for as long as the call's time allows, and nothing else is.
func TestPatiently(t *testing.T) {
	t.Parallel()
	throttled := &secret.Error{Kind: secret.Throttled, RetryAfter: 7 * time.Second}
	behind := &secret.Error{Kind: secret.Unavailable, Err: kit.ErrBehind}
	for name, c := range map[string]struct {
		since  kit.Since
		first  bool // the request before is a write
		write  bool
		err    error
		pauses int // that the call has time for
		tries  int
	}{
		"before the first write": {kit.SinceWrite, false, true, throttled, 9, 1},
		"after it":               {kit.SinceWrite, true, true, throttled, 9, 10},
		"a read after it":        {kit.SinceWrite, true, false, throttled, 9, 10},
		"a replica":              {kit.SinceWrite, true, false, behind, 2, 3},
		"no time":                {kit.SinceWrite, true, true, throttled, 0, 1},
		"down":                   {kit.SinceWrite, true, true, secret.Errorf(secret.Unavailable, ""), 9, 1},
		"unknown":                {kit.SinceWrite, true, true, secret.Errorf(secret.Unknown, ""), 9, 1},
		"a read after a read":    {kit.SinceAnswer, false, false, throttled, 9, 10},
		"no time for a read":     {kit.SinceAnswer, false, false, throttled, 0, 1},
		"refused":                {kit.SinceWrite, true, true, secret.Errorf(secret.Upstream, ""), 9, 1},
	} {
		var paused []time.Duration
		ctx := kit.WithPatience(t.Context(), c.since, func(_ context.Context, d, _ time.Duration) bool {
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
	for since, want := range map[kit.Since]int{kit.SinceWrite: 1, kit.SinceAnswer: 1, kit.SinceStart: 3} {
		left, tries := 2, 0
		ctx := kit.WithPatience(t.Context(), since, func(context.Context, time.Duration, time.Duration) bool { left--; return left >= 0 })
		if err := kit.Patiently(ctx, false, func() error { tries++; return throttled }); !errors.Is(err, throttled) || tries != want {
			t.Errorf("the first request, since %d: %d tries, want %d; %v", since, tries, want, err)
		}
	}
	tries := 0
	if err := kit.Patiently(t.Context(), true, func() error { tries++; return throttled }); err == nil || tries != 1 {
		t.Errorf("a call that nobody made patient: %d tries, %v", tries, err)
	}
}
