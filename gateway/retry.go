package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Retries are few and short: the caller retries too.
const (
	maxAttempts = 3
	retryBase   = 50 * time.Millisecond
	retryMax    = 5 * time.Second
)

// retry repeats what provably changed nothing: kinds Unavailable and
// Throttled say so of reads and writes alike. Everything else is final.
func retry[T any](ctx context.Context, j *job, f func(context.Context, *job) (T, error)) (T, error) {
	for n := 1; ; n++ {
		out, err := f(ctx, j)
		err = classify(j, err)
		if err != nil && retryable(err) {
			backends.Refused(ctx, retryAfterOf(err))
		}
		if !errors.Is(ctx.Err(), context.Canceled) { // a client that left says nothing of the product
			j.health.observe(err)
		}
		if err == nil || n == maxAttempts || !retryable(err) {
			return out, err
		}
		if !wait(ctx, retryDelay(n, err)) {
			return out, err
		}
	}
}

func retryable(err error) bool {
	k := secret.KindOf(err)
	return k == secret.Unavailable || k == secret.Throttled
}

func retryDelay(n int, err error) time.Duration {
	var e *secret.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	d := retryBase << (2 * (n - 1))
	return d + rand.N(d) //nolint:gosec // jitter, not a secret
}

// wait returns false at once where d does not fit: the error in hand tells
// the caller more than a deadline would.
func wait(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	if d > retryMax || (ok && time.Until(deadline) < d) {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
