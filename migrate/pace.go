package migrate

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Pace bounds what a move asks of one store: requests a second, and calls at once.
//
// What a product allows is found out from what it refuses for now: see bound. A call
// that was refused is made again after a while, not before the time that the product
// named. Where it refuses everything the calls at once are halved, and nothing is asked
// before that time, a second at least; each call that succeeds lets one more begin.
// It is safe for concurrent use.
type Pace struct {
	most int
	now  func() time.Time
	turn chan struct{} // of the request that waits

	requests, refusals atomic.Int64

	mu      sync.Mutex
	bound   *bound
	halved  time.Time // when the width was
	width   float64
	busy    int
	waiting []chan struct{}
}

// NewPace returns a Pace of at most perSecond requests (zero: any number), and most
// calls at once.
func NewPace(perSecond float64, most int) *Pace {
	if perSecond <= 0 {
		perSecond = noCeiling
	}
	return &Pace{most: max(most, 1), now: time.Now, turn: make(chan struct{}, 1), bound: newBound(perSecond), width: float64(max(most, 1))}
}

// Width is how many calls there are at once, at most.
func (p *Pace) Width() int { return p.most }

// noCeiling is more than anything asks for. An infinite rate.Limit cannot be set to
// another one: its tokens are no number any more.
const noCeiling = 1e9

// Wait implements backends.Pace: it is asked before each request.
func (p *Pace) Wait(ctx context.Context) {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done(): // and the request fails
		return
	}
	for {
		p.mu.Lock()
		d := p.bound.ask(p.now())
		p.mu.Unlock()
		if d <= 0 {
			p.requests.Add(1)
			return
		}
		if !sleep(ctx, d) {
			return
		}
	}
}

// Refused implements backends.Pace.
func (p *Pace) Refused(after time.Duration) {
	p.refusals.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.bound.refuse(now, after) && now.Sub(p.halved) >= oneRound {
		p.halved, p.width = now, max(1, p.width/2)
	}
}

// Requests is how many were made, and Refusals how many of these were refused.
func (p *Pace) Requests() int64 { return p.requests.Load() }

// Refusals is how many requests the product refused for now.
func (p *Pace) Refusals() int64 { return p.refusals.Load() }

// PaceState is how a Pace fares.
type PaceState struct {
	Requests, Refusals int64
	// Width is how many calls there may be at once now, of Most.
	Width, Most int
	// Bound is how many requests a second it keeps to because the product refused
	// more; zero: only the ceiling bounds them.
	Bound float64
	// Wait is for how long nothing starts.
	Wait time.Duration
}

// State tells how it fares.
func (p *Pace) State() PaceState {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	s := PaceState{
		Requests: p.Requests(), Refusals: p.Refusals(), Width: max(1, int(p.width)), Most: p.most, Wait: max(0, p.bound.until.Sub(now)),
	}
	if p.bound.bounds(now) {
		s.Bound = p.bound.perSecond
	}
	return s
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
		if err == nil {
			return nil
		}
		left := patience(err) - p.now().Sub(begun)
		if left <= 0 || !sleep(ctx, min(left, max(pause(n), askedFor(err)))) {
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

// askedFor is how long the product wants to be left alone; zero: it does not say.
func askedFor(err error) time.Duration {
	if e, ok := errors.AsType[*secret.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

func pause(n int) time.Duration {
	d := 250 * time.Millisecond << min(n, 3)
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
		p.width = min(p.width+1, float64(p.most))
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
