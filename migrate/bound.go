package migrate

import (
	"math"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"
)

// bound is how many requests a second a product seems to allow. Until the product
// refuses one for now, only the ceiling bounds them.
//
// Each refusal lowers the bound by a twentieth, and the bound rises with the time that
// requests wait for it, so fast that two refusals a second, or one in twenty requests
// where that is less, keep it where it is. That is all, and two things follow. The
// bound ends close to what the product allows. And several runs come to have the same:
// who asks for more is refused more often, and so has to come down until all are
// refused alike.
//
// This is the rate control of Kelly, Maulloo and Tan, "Rate control for communication
// networks: shadow prices, proportional fairness and stability", J. Oper. Res. Soc.
// 49 (1998), with a refusal as the price: each run is willing to pay the same. Each
// refusal has to count by itself, as a run cannot tell its share otherwise. So the
// figures follow. How much a refusal takes decides how fast shares become equal, and
// what a small bucket loses below the limit; how often a run is refused decides how
// equal they become. Requests keep no even distance, else two runs that are in step
// would not be refused by chance.
//
// It is not safe for concurrent use. The zero time is before all others.
type bound struct {
	limiter *rate.Limiter
	ceiling float64
	random  func() float64 // from 0 to 1
	// perSecond is exact; the limiter follows in steps.
	perSecond float64
	found     bool // the product has refused something

	asked, refused meter
	seen           time.Time // when it was last asked
	waits          bool      // a request waited for it then
	waited         time.Time // when one last did
	until          time.Time // nothing starts before
	// round is when refusals began to count together, and before is the bound of then.
	round  time.Time
	before float64
}

const (
	// cut is the part of the bound that a refusal takes.
	cut = 1. / 20
	// often is how many refusals a second keep the bound where it is, where it is high,
	// and seldom which part of the requests, where it is low.
	often  = 2.
	seldom = 1. / 20
	// oneRound is in how long a time the bound falls to a half at most: what was on its
	// way before it fell is refused together.
	oneRound = time.Second
	// idle is after how long without a request that waits the bound bounds nothing.
	idle = 2 * time.Second
)

func newBound(ceiling float64) *bound {
	return &bound{limiter: rate.NewLimiter(rate.Limit(ceiling), burst(ceiling)), ceiling: ceiling, perSecond: ceiling, random: rand.Float64}
}

// burst is for a fiftieth of a second, and for what ask lets a request wait too long.
func burst(perSecond float64) int { return int(max(2, min(perSecond/50, 1000))) }

// ask returns for how long a request has to wait before it is to ask again; zero: it
// may start. Requests wait one at a time, so that none has a place from before the
// bound fell.
func (b *bound) ask(now time.Time) time.Duration {
	if d := b.until.Sub(now); d > 0 {
		b.waits = false
		return d
	}
	if b.waits && b.found {
		b.set(now, b.perSecond*(1+cut*b.price()*min(now.Sub(b.seen), oneRound).Seconds()))
	}
	tokens := b.limiter.TokensAt(now)
	b.seen, b.waits = now, tokens < 1
	if b.waits {
		b.waited = now
		return time.Duration((1-tokens+b.random())/float64(b.limiter.Limit())*float64(time.Second)) + 1
	}
	b.limiter.AllowN(now, 1)
	b.asked.add(now)
	return 0
}

// price is how many refusals a second keep the bound where it is.
func (b *bound) price() float64 { return 1 / math.Hypot(1/often, 1/(seldom*b.perSecond)) }

// refuse notes a refusal. Closed: the product refuses everything, as when an allowance
// for some seconds is used up. That says nothing about the bound, and nothing starts
// before it is time to look again.
func (b *bound) refuse(now time.Time, after time.Duration) (closed bool) {
	b.refused.add(now)
	asked := b.asked.perSecond(now)
	good := max(0, asked-b.refused.perSecond(now))
	if now.Sub(b.round) >= oneRound {
		b.round, b.before = now, b.perSecond
	}
	switch {
	case asked == 0: // nobody has counted it
	case !b.found: // nothing bounded what was asked
		b.found, b.before = true, min(b.perSecond, asked)
		b.set(now, b.before*(1-cut))
	case good < asked/10:
		b.set(now, b.before)
		b.until = later(b.until, now.Add(max(after, oneRound)))
		return true
	case now.Sub(b.waited) > idle: // less was asked than it allows
		b.set(now, max(b.before/2, min(b.perSecond, asked)*(1-cut)))
	default:
		b.set(now, max(b.before/2, b.perSecond*(1-cut)))
	}
	return false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (b *bound) set(now time.Time, perSecond float64) {
	b.perSecond = max(1, min(perSecond, b.ceiling))
	if was := float64(b.limiter.Limit()); math.Abs(b.perSecond-was) > was/1000 {
		b.limiter.SetLimitAt(now, rate.Limit(b.perSecond))
		b.limiter.SetBurstAt(now, burst(b.perSecond))
	}
}

// bounds reports whether it, and not only the ceiling, keeps requests back.
func (b *bound) bounds(now time.Time) bool {
	return b.found && b.perSecond < b.ceiling && now.Sub(b.waited) <= idle
}
