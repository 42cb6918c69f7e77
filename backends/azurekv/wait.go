package azurekv

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// The vault deletes, recovers and purges in its own time. Calls wait for it
// here, for three quarters of the time that their callers have.

// onceReady makes one write. While the vault refuses it because it is not done
// with a deletion, a recovery or a purge, nothing has happened, and the write
// is made again as long as there is time.
func onceReady(ctx context.Context, o kit.Op, write func(context.Context) error) error {
	return unlessRefused(ctx, o, write, func(_, failed error) (bool, error) { return isBusy(failed), failed })
}

// unlessRefused is onceReady where judge says of each refusal, which it gets
// as the client's error and as ours, whether to try again, and what it is.
func unlessRefused(ctx context.Context, o kit.Op, write func(context.Context) error, judge func(raw, failed error) (bool, error)) error {
	var last error
	err := await(ctx, func() (bool, error) {
		traced, trace := kit.WithTrace(ctx)
		raw := write(traced)
		if raw == nil {
			return true, nil
		}
		again, err := judge(raw, failure(ctx, o, trace.Sent(), raw))
		if again {
			last = err
			return false, nil
		}
		return false, err
	})
	switch {
	case errors.Is(err, errNoTime):
		return last
	case last != nil && ctx.Err() != nil:
		return o.Error(secret.Unavailable, secret.DetailOf(last), ctx.Err())
	}
	return err
}

// isBusy reports whether the vault refuses for a while.
func isBusy(err error) bool {
	a, ok := errors.AsType[*kit.Answer](err)
	return ok && a.Status == http.StatusConflict && (a.Inner == "ObjectIsBeingDeleted" || a.Inner == "ObjectIsBeingRecovered")
}

var errNoTime = errors.New("there is no time left to wait")

// The pauses between two looks.
const (
	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

// await asks until done, an error, or errNoTime: three quarters of the time to
// the caller's deadline are over, and the rest is for what comes next. Without
// a deadline it asks once.
func await(ctx context.Context, done func() (bool, error)) error {
	deadline, limited := ctx.Deadline()
	end := time.Now().Add(time.Until(deadline) * 3 / 4)
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if !limited || time.Now().Add(pause).After(end) {
			return errNoTime
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}
