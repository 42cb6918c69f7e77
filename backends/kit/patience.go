package kit

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/secret"
)

// patience is of one call of the gateway.
type patience struct {
	since Since
	begun atomic.Bool // since has come
	pause Pause
}

// Since is from when on failing would throw something away.
type Since uint8

// A call waits since a request of it has written, since one was answered, or from its
// start.
const (
	SinceWrite Since = iota
	SinceAnswer
	SinceStart
)

// Pause waits for as long as it is told, and returns false at once where the call's
// time does not allow that. Asked is for how long the product itself wants to be left
// alone; zero: it did not say.
type Pause func(ctx context.Context, d, asked time.Duration) bool

type patienceKey struct{}

// WithPatience returns a context for one call of the gateway: since then
// Patiently waits out that the product refuses for now. Else a write would leave
// a part, and a read of many requests would begin anew, ask for all of it again, and
// never end where the product allows fewer at once.
func WithPatience(ctx context.Context, since Since, pause Pause) context.Context {
	p := &patience{since: since, pause: pause}
	p.begun.Store(since == SinceStart)
	return context.WithValue(ctx, patienceKey{}, p)
}

// Patiently makes one request: send returns *secret.Error. Where the context
// says so, it makes it again for as long as the product refuses it for now,
// and nothing was changed by that: Throttled, and ErrBehind.
func Patiently(ctx context.Context, write bool, send func() error) error {
	p, _ := ctx.Value(patienceKey{}).(*patience)
	for n := 0; ; n++ {
		err := send()
		switch {
		case p == nil:
			return err
		case err == nil:
			if write || p.since == SinceAnswer {
				p.begun.Store(true)
			}
			return nil
		case !p.begun.Load(), !refusedForNow(err), !p.pause(ctx, pauseAfter(n, err), askedFor(err)):
			return err
		}
	}
}

// ErrBehind is the cause where a replica has not heard yet of what was written.
var ErrBehind = errors.New("the replica is behind")

func refusedForNow(err error) bool { return Is(err, secret.Throttled) || errors.Is(err, ErrBehind) }

// The pauses where the product does not say how long.
const (
	shortestPause = 250 * time.Millisecond
	longestPause  = 8 * time.Second
)

func pauseAfter(n int, err error) time.Duration {
	if asked := askedFor(err); asked > 0 {
		return asked
	}
	d := min(shortestPause<<min(n, 10), longestPause)
	return d + rand.N(d/2) //nolint:gosec // jitter, not a secret
}

// askedFor is what the product says; zero: it does not.
func askedFor(err error) time.Duration {
	if e, ok := errors.AsType[*secret.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
