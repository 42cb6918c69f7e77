package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestWithTimeout holds a deadline to what the standard library's contexts do.
func TestWithTimeout(t *testing.T) {
	t.Parallel()
	type key struct{}
	steps := map[string]func(ctx context.Context, caller, end func()) error{
		"nothing happens": func(ctx context.Context, _, _ func()) error { return ctx.Err() },
		"time is over, nobody waits": func(ctx context.Context, _, _ func()) error {
			<-time.After(time.Minute)
			return ctx.Err()
		},
		"time is over": func(ctx context.Context, _, _ func()) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"the caller goes": func(ctx context.Context, caller, _ func()) error {
			caller()
			return ctx.Err()
		},
		"the caller goes, somebody waits": func(ctx context.Context, caller, _ func()) error {
			time.AfterFunc(time.Second, caller)
			<-ctx.Done()
			return ctx.Err()
		},
		"it ends, nobody waits": func(ctx context.Context, _, end func()) error {
			end()
			return ctx.Err()
		},
		"it ends, and then somebody waits": func(ctx context.Context, _, end func()) error {
			end()
			<-ctx.Done()
			return ctx.Err()
		},
		"a context below waits": func(ctx context.Context, _, end func()) error {
			below, stop := context.WithCancel(ctx)
			defer stop()
			time.AfterFunc(time.Second, end)
			<-below.Done()
			return below.Err()
		},
		"a context below ends with the time": func(ctx context.Context, _, _ func()) error {
			below, stop := context.WithTimeout(ctx, time.Hour)
			defer stop()
			<-below.Done()
			return below.Err()
		},
	}
	for name, step := range steps {
		for _, callers := range []time.Duration{time.Hour, 10 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				play := func(with func(context.Context, time.Duration) (context.Context, func())) (left time.Duration, value any, err error) {
					caller, leave := context.WithTimeout(context.WithValue(t.Context(), key{}, name), callers)
					defer leave()
					ctx, end := with(caller, 30*time.Second)
					defer end()
					at, _ := ctx.Deadline()
					left = time.Until(at)
					err = step(ctx, leave, end)
					return left, ctx.Value(key{}), err
				}
				left, value, err := play(func(ctx context.Context, d time.Duration) (context.Context, func()) {
					c := withTimeout(ctx, d)
					return c, c.end
				})
				wantLeft, wantValue, want := play(func(ctx context.Context, d time.Duration) (context.Context, func()) {
					return context.WithTimeout(ctx, d)
				})
				if !errors.Is(err, want) || (err == nil) != (want == nil) || value != wantValue || left != wantLeft {
					t.Errorf("%s: %v, %v and %v, want %v, %v and %v", name, err, value, left, want, wantValue, wantLeft)
				}
			})
		}
	}
}
