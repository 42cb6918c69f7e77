package migrate

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// Pace bounds what a move asks of one store: requests a second, and calls at once.
//
// Until the product refuses a request for now, only the ceiling bounds the requests.
// A refusal lowers the bound a little below what was asked in the second before, at
// most to a half of it. From there it comes back to where the refusal was, stays about there, and then
// tries more, slowly at first and ever faster: the cubic of RFC 9438. So most of the
// time is spent close below what the product allows. Who has more gives up more, so
// several runs come to share alike.
//
// The calls at once rise by one for each round of calls that succeed, and fall by a
// quarter with a refusal. It is safe for concurrent use.
type Pace struct {
	limiter *rate.Limiter
	ceiling float64 // requests a second
	most    int
	now     func() time.Time

	requests, refusals atomic.Int64

	mu      sync.Mutex
	asked   meter     // requests
	refused meter     // of these
	peak    float64   // requests a second at the last refusal; zero: there was none
	scale   float64   // the peak as it was found first
	settled bool      // it was found
	lowered time.Time // when that was, or when the product wanted to be asked again
	// grown is for how long the bound has grown since, adjusted when that was reckoned.
	grown    time.Duration
	adjusted time.Time
	until    time.Time // nothing starts before
	width    float64
	busy     int
	waiting  []chan struct{}
}

// NewPace returns a Pace of at most perSecond requests (zero: any number), and most
// calls at once.
func NewPace(perSecond float64, most int) *Pace {
	p := &Pace{most: max(most, 1), ceiling: perSecond, now: time.Now}
	if perSecond <= 0 {
		p.ceiling = noCeiling
	}
	p.width = float64(p.most)
	p.limiter = rate.NewLimiter(rate.Limit(p.ceiling), burst(p.ceiling))
	return p
}

// Width is how many calls there are at once, at most.
func (p *Pace) Width() int { return p.most }

// noCeiling is more than anything asks for. An infinite rate.Limit cannot be set to
// another one: its tokens are no number any more.
const noCeiling = 1e9

// burst is for a fiftieth of a second.
func burst(perSecond float64) int { return int(max(1, min(perSecond/50, 1000))) }

// Wait implements backends.Pace: it is asked before each request.
func (p *Pace) Wait(ctx context.Context) {
	for {
		p.mu.Lock()
		now := p.now()
		d := p.until.Sub(now)
		if d <= 0 {
			p.adjust(now)
		}
		p.mu.Unlock()
		if d <= 0 {
			break
		}
		if !sleep(ctx, d) {
			return
		}
	}
	_ = p.limiter.Wait(ctx) // the request fails by ctx
	p.requests.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked.add(p.now())
}

// Refused implements backends.Pace.
func (p *Pace) Refused(after time.Duration) {
	p.refusals.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.refused.add(now)
	p.until = later(p.until, now.Add(after))
	if now.Sub(p.lowered) < oneRound {
		return
	}
	asked := p.asked.perSecond(now)
	good := max(0, asked-p.refused.perSecond(now))
	switch {
	case p.peak == 0: // nothing bounded what was asked
		p.peak = max(1, good)
		p.scale = p.peak
	case good < asked/10: // it is closed, and not too slow for us: look again later
		p.until = later(p.until, now.Add(oneRound))
		p.lowered, p.grown = p.until, 0
		return
	default:
		p.lower(asked, good/asked)
	}
	p.width = max(1, p.width*3/4)
	p.lowered, p.grown = later(p.until, now), 0
	p.set(p.peak * giveUp)
}

// lower notes what was asked when the product refused, of which a part was good.
// Calls that were refused wait by themselves, so little that was asked says little:
// the bound is at most halved.
func (p *Pace) lower(asked, part float64) {
	bound := float64(p.limiter.Limit())
	at := min(bound, asked*5/4)
	if p.grown < comeBack/2 { // once was not enough, so it was far too much
		at *= min(giveUp, (1+2*part)/3)
	} else if p.settled = true; at < p.peak*giveUp { // others have come: leave them room
		at *= (1 + giveUp) / 2
	}
	p.peak = max(1, at, bound/2)
	if !p.settled {
		p.scale = p.peak
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

const (
	// oneRound is for how long refusals count as one: requests that had begun before
	// the bound fell are refused together.
	oneRound = time.Second
	// giveUp is what remains of the bound after a refusal, and comeBack is when it is
	// again where it was.
	giveUp   = 0.94
	comeBack = 6 * time.Second
)

// adjust lets the bound grow with time, but not beyond the last refusal while nobody
// asks for so much.
func (p *Pace) adjust(now time.Time) {
	if p.peak == 0 || !now.After(p.lowered) {
		return
	}
	since := now.Sub(later(p.adjusted, p.lowered))
	p.adjusted = now
	k := comeBack.Seconds() * math.Cbrt(p.peak/p.scale)
	if p.grown.Seconds() < k || p.asked.perSecond(now) > float64(p.limiter.Limit())*8/10 {
		p.grown += since
	}
	t := (p.grown.Seconds() - k) / comeBack.Seconds()
	p.set(p.peak + p.scale*(1-giveUp)*t*t*t)
}

func (p *Pace) set(perSecond float64) {
	perSecond = max(1, min(perSecond, p.ceiling))
	if was := float64(p.limiter.Limit()); math.Abs(perSecond-was) > was/1000 {
		p.limiter.SetLimit(rate.Limit(perSecond))
		p.limiter.SetBurst(burst(perSecond))
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
	s := PaceState{
		Requests: p.Requests(), Refusals: p.Refusals(), Width: max(1, int(p.width)), Most: p.most, Wait: max(0, p.until.Sub(p.now())),
	}
	if bound := float64(p.limiter.Limit()); bound < p.ceiling && bound < 2*p.peak { // above, it is far from what was refused
		s.Bound = bound
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
