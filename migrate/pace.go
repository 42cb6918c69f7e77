package migrate

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Pace bounds what a move asks of one store: requests a second, and calls at once.
// The second bound rises by one for each round of calls that succeed, and halves
// when the product refuses one for now. It is safe for concurrent use.
type Pace struct {
	limiter *rate.Limiter // nil: no bound
	most    int
	now     func() time.Time

	requests, refusals atomic.Int64

	mu      sync.Mutex
	width   float64
	busy    int
	waiting []chan struct{}
	until   time.Time // nothing starts before
	halved  time.Time
}

// NewPace returns a Pace of at most perSecond requests (zero: any number), and most
// calls at once.
func NewPace(perSecond float64, most int) *Pace {
	p := &Pace{most: max(most, 1), now: time.Now}
	p.width = float64(p.most)
	if perSecond > 0 {
		p.limiter = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/10)))
	}
	return p
}

// Width is how many calls there are at once, at most.
func (p *Pace) Width() int { return p.most }

// Wait implements backends.Pace: it is asked before each request.
func (p *Pace) Wait(ctx context.Context) {
	for {
		p.mu.Lock()
		d := p.until.Sub(p.now())
		p.mu.Unlock()
		if d <= 0 {
			break
		}
		if !sleep(ctx, d) {
			return
		}
	}
	if p.limiter != nil {
		_ = p.limiter.Wait(ctx) // the request fails by ctx
	}
	p.requests.Add(1)
}

// Refused implements backends.Pace.
func (p *Pace) Refused(after time.Duration) {
	p.refusals.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if until := now.Add(after); until.After(p.until) {
		p.until = until
	}
	if now.Sub(p.halved) >= oneRound {
		p.width, p.halved = max(1, p.width/2), now
	}
}

// oneRound is for how long refusals count as one: calls that had begun before the
// bound fell are refused together.
const oneRound = time.Second

// Requests is how many were made, and Refusals how many of these were refused.
func (p *Pace) Requests() int64 { return p.requests.Load() }

// Refusals is how many requests the product refused for now.
func (p *Pace) Refusals() int64 { return p.refusals.Load() }

// PaceState is how a Pace fares.
type PaceState struct {
	Requests, Refusals int64
	// Width is how many calls there may be at once now, of Most.
	Width, Most int
	// Wait is for how long nothing starts.
	Wait time.Duration
}

// State tells how it fares.
func (p *Pace) State() PaceState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PaceState{p.Requests(), p.Refusals(), max(1, int(p.width)), p.most, max(0, p.until.Sub(p.now()))}
}

// Do makes one call. What the product refuses for now, and what provably changed
// nothing, is called again until patience ends.
func (p *Pace) Do(ctx context.Context, call func(context.Context) error) error {
	ctx = backends.WithPace(ctx, p)
	begun := p.now()
	for n := 0; ; n++ {
		if err := p.enter(ctx); err != nil {
			return err
		}
		err := call(ctx)
		p.leave(err == nil)
		if err == nil || p.now().Sub(begun) >= patience(err) || !sleep(ctx, pause(n)) {
			return err
		}
	}
}

// patience is for how long a call is made again after the error.
func patience(err error) time.Duration {
	switch secret.KindOf(err) {
	case secret.Throttled:
		return 10 * time.Minute
	case secret.Unavailable:
		return 5 * time.Second
	}
	return 0
}

func pause(n int) time.Duration {
	d := min(250*time.Millisecond<<min(n, 6), 10*time.Second)
	return d + rand.N(d/2) //nolint:gosec // jitter, not a secret
}

func (p *Pace) enter(ctx context.Context) error {
	p.mu.Lock()
	if err := ctx.Err(); err != nil {
		p.mu.Unlock()
		return err
	}
	if float64(p.busy) < max(1, p.width) && len(p.waiting) == 0 {
		p.busy++
		p.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	p.waiting = append(p.waiting, turn)
	p.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		p.mu.Lock()
		defer p.mu.Unlock()
		for i, w := range p.waiting {
			if w == turn {
				p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
				return ctx.Err()
			}
		}
		p.next() // the turn had come: it is another's
		return ctx.Err()
	}
}

func (p *Pace) leave(good bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if good {
		p.width = min(p.width+1/max(1, p.width), float64(p.most))
	}
	p.next()
}

// next gives the place of one call to those who wait.
func (p *Pace) next() {
	p.busy--
	for len(p.waiting) > 0 && float64(p.busy) < max(1, p.width) {
		close(p.waiting[0])
		p.waiting = p.waiting[1:]
		p.busy++
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
