package migrate

import (
	"cmp"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

// clock is time that goes from event to event. The same seed makes the same events.
type clock struct {
	at     time.Time
	rand   *rand.Rand
	events events
	does   []func() // what happens, by the event's place
	free   []int
	count  int
}

// event has no pointer: many are moved about.
type event struct {
	at         int64 // in nanoseconds
	nth, place int
}

type events []event

func (e events) Len() int      { return len(e) }
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].nth < e[j].nth
}
func (e events) Push(any) {} // by heap.Fix, which allocates nothing
func (e events) Pop() any { return nil }

func (c *clock) now() time.Time { return c.at }

func (c *clock) after(d time.Duration, do func()) {
	if len(c.free) == 0 {
		c.free, c.does = append(c.free, len(c.does)), append(c.does, nil)
	}
	place := c.free[len(c.free)-1]
	c.free, c.does[place] = c.free[:len(c.free)-1], do
	c.count++
	c.events = append(c.events, event{c.at.UnixNano() + int64(d), c.count, place})
	heap.Fix(c.events, len(c.events)-1)
}

// pass lets time pass, and what happens in it.
func (c *clock) pass(d time.Duration) {
	end := c.at.Add(d)
	for len(c.events) > 0 && c.events[0].at <= end.UnixNano() {
		e, last := c.events[0], len(c.events)-1
		c.events[0] = c.events[last]
		if c.events = c.events[:last]; last > 0 {
			heap.Fix(c.events, 0)
		}
		c.at = time.Unix(0, e.at)
		c.free = append(c.free, e.place)
		c.does[e.place]()
	}
	c.at = end
}

// between is any of the durations.
func (c *clock) between(low, high time.Duration) time.Duration {
	return low + time.Duration(c.rand.Int64N(int64(high-low)+1))
}

// throttling is a product that allows so much, whoever asks.
type throttling struct {
	*clock
	low, high  time.Duration // how late it answers
	retryAfter time.Duration
	allows     func() bool
}

// runModel is a run: workers that make calls of five requests each.
type runModel struct {
	*throttling
	pace          *Pace
	good, refused int

	turns []func() // requests that wait for their turn at the bound
	calls []func() // calls that wait until fewer are at work
}

func newRunModel(p *throttling, ceiling float64, start time.Duration) *runModel {
	r := &runModel{throttling: p, pace: NewPace(ceiling, 32)}
	r.pace.now, r.pace.bound.random = p.now, p.rand.Float64
	for range r.pace.Width() {
		p.after(start+p.between(0, p.high), func() { r.call(0) })
	}
	return r
}

// call does what Pace.Do does: nth is how often it was refused.
func (r *runModel) call(nth int) {
	r.calls = append(r.calls, func() {
		r.request(5, func(good bool) {
			r.pace.leave(good)
			r.begin()
			if good {
				r.after(0, func() { r.call(0) })
			} else {
				r.after(max(r.retryAfter, 250*time.Millisecond<<min(nth, 3)+r.between(0, 125*time.Millisecond<<min(nth, 3))), func() { r.call(nth + 1) })
			}
		})
	})
	r.begin()
}

func (r *runModel) begin() {
	for len(r.calls) > 0 && float64(r.pace.busy) < max(1, r.pace.width) {
		call := r.calls[0]
		r.calls = r.calls[1:]
		r.pace.busy++
		call()
	}
}

func (r *runModel) request(left int, done func(good bool)) {
	if left == 0 {
		done(true)
		return
	}
	r.turns = append(r.turns, func() {
		late := r.between(r.low, r.high)
		r.after(late/2, func() {
			good := r.allows()
			r.after(late-late/2, func() {
				if good {
					r.good++
					r.request(left-1, done)
					return
				}
				r.refused++
				r.pace.Refused(r.retryAfter)
				done(false)
			})
		})
	})
	if len(r.turns) == 1 {
		r.next()
	}
}

// next does what Pace.Wait does.
func (r *runModel) next() {
	if d := r.pace.bound.ask(r.at); d > 0 {
		r.after(d, r.next)
		return
	}
	r.turns[0]()
	if r.turns = r.turns[1:]; len(r.turns) > 0 {
		r.next()
	}
}

// minute is a model of a minute, the first ten seconds apart.
type minute struct {
	name       string
	perSecond  float64 // that the product allows
	burst      int
	window     time.Duration // it allows so many times perSecond in each, and no bucket
	low, high  time.Duration
	retryAfter time.Duration
	ceiling    float64
	starts     []time.Duration // of each run; a run starts within five seconds after
	beside     float64         // what somebody else asks each second, throttled or not
	halves     bool            // it allows half as much after half of the time
}

// outcome is of one minute: what part of the allowed was used, of the runs' requests
// was refused, and of the runs' good requests was the least run's.
type outcome struct{ used, refused, least float64 }

func (m *minute) model(seed uint64) outcome {
	c := &clock{at: time.Unix(1e9, 0), rand: rand.New(rand.NewPCG(seed, 0))}
	c.pass(c.between(0, 10*time.Second))
	p := &throttling{clock: c, low: m.low, high: m.high, retryAfter: m.retryAfter}
	bucket := rate.NewLimiter(rate.Limit(m.perSecond), m.burst)
	p.allows = func() bool { return bucket.AllowN(c.at, 1) }
	if m.window > 0 {
		var began time.Time
		n := 0.
		p.allows = func() bool {
			if w := c.at.Truncate(m.window); w.After(began) {
				began, n = w, 0
			}
			n++
			return n <= m.perSecond*m.window.Seconds()
		}
	}
	var runs []*runModel
	for _, start := range m.starts {
		runs = append(runs, newRunModel(p, m.ceiling, start+c.between(0, 5*time.Second)))
	}
	others := 0
	if m.beside > 0 {
		var other func()
		each := time.Duration(float64(time.Second) / m.beside)
		other = func() {
			if p.allows() {
				others++
			}
			c.after(c.between(each/2, each*3/2), other)
		}
		other()
	}
	c.pass(slices.Max(m.starts) + 5*time.Second + 10*time.Second)
	others = 0
	for _, r := range runs {
		r.good, r.refused = 0, 0
	}
	allowed := 60 * m.perSecond
	c.pass(30 * time.Second)
	if m.halves {
		bucket.SetLimitAt(c.at, rate.Limit(m.perSecond/2))
		allowed = 45 * m.perSecond
	}
	c.pass(30 * time.Second)
	good, refused, least := 0, 0, runs[0].good
	for _, r := range runs {
		good, refused, least = good+r.good, refused+r.refused, min(least, r.good)
	}
	return outcome{float64(good+others) / allowed, float64(refused) / float64(good+refused), float64(least) / float64(good)}
}

// TestPaceModel: how a run fares with what a product allows, over many minutes with
// other moments, delays and pauses each. It is a model of time alone, so it comes out
// the same everywhere; TestPaceShares has the goroutines. -v prints the figures.
//
// Of a bucket of 400 requests a second one run is to use 97 %, with 1 % refused; of
// two runs each is to have 35 %, in each of two hundred minutes.
func TestPaceModel(t *testing.T) {
	t.Parallel()
	const ms, s = time.Millisecond, time.Second
	one, two, three, later := []time.Duration{0}, []time.Duration{0, 0}, []time.Duration{0, 0, 0}, []time.Duration{0, 20 * s}
	for _, tt := range []struct {
		minute
		n                    int
		used, refused, least float64 // at least, at most, at least
	}{
		{minute{name: "a bucket", burst: 400, starts: one}, 5, 0.97, 0.01, 1},
		{minute{name: "a small bucket", burst: 40, starts: one}, 5, 0.97, 0.01, 1},
		{minute{name: "no bucket", burst: 4, starts: one}, 5, 0.96, 0.01, 1},
		{minute{name: "no ceiling", burst: 400, starts: one, ceiling: -1}, 5, 0.97, 0.01, 1},
		{minute{name: "far away", burst: 40, starts: one, low: 50 * ms, high: 70 * ms}, 5, 0.97, 0.01, 1},
		{minute{name: "it names a second", burst: 40, starts: one, retryAfter: s}, 5, 0.97, 0.01, 1},
		{minute{name: "it names five seconds", burst: 40, starts: one, retryAfter: 5 * s}, 5, 0.97, 0.01, 1},
		{minute{name: "20 a second", perSecond: 20, burst: 20, starts: one, ceiling: 1000}, 5, 0.97, 0.05, 1},
		{minute{name: "2000 a second", perSecond: 2000, burst: 2000, starts: one, ceiling: -1}, 5, 0.97, 0.01, 1},
		{minute{name: "a window of ten seconds", window: 10 * s, starts: one}, 5, 0.90, 0.05, 1},
		{minute{name: "somebody beside", burst: 400, starts: one, beside: 200}, 5, 0.97, 0.01, 1},
		{minute{name: "half as much later", burst: 400, starts: one, halves: true}, 5, 0.97, 0.01, 1},
		{minute{name: "two runs", burst: 400, starts: two}, 200, 0.97, 0.01, 0.35},
		{minute{name: "two runs, a small bucket", burst: 40, starts: two}, 5, 0.97, 0.01, 0.35},
		{minute{name: "two runs, it names a second", burst: 400, starts: two, retryAfter: s}, 5, 0.97, 0.01, 0.35},
		{minute{name: "two runs, one later", burst: 400, starts: later}, 5, 0.97, 0.01, 0.35},
		{minute{name: "two runs, half as much later", burst: 400, starts: two, halves: true}, 5, 0.97, 0.015, 0.35},
		{minute{name: "two runs, somebody beside", burst: 400, starts: two, beside: 200}, 5, 0.97, 0.02, 0.35},
		{minute{name: "three runs", burst: 400, starts: three}, 5, 0.97, 0.015, 0.25},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := tt.minute
			m.perSecond = cmp.Or(m.perSecond, 400)
			m.ceiling = cmp.Or(m.ceiling, 1000)
			m.low, m.high = cmp.Or(m.low, 5*ms), cmp.Or(m.high, 20*ms)
			var used, refused, least []float64
			n := max(1, tt.n/fewer)
			for seed := range uint64(n) {
				o := m.model(seed)
				used, refused, least = append(used, o.used), append(refused, o.refused), append(least, o.least)
			}
			slices.Sort(used)
			slices.Sort(refused)
			slices.Sort(least)
			said := fmt.Sprintf("%d minutes: %.1f %% used, %.1f at worst; %.2f %% refused, %.2f at worst; the least run has %.0f %%, %.1f at worst", n,
				100*used[n/2], 100*used[0], 100*refused[n/2], 100*refused[n-1], 100*least[n/2], 100*least[0])
			t.Log("["+strings.ReplaceAll(tt.name, " ", "_")+"]", said)
			if used[0] < tt.used || refused[n-1] > tt.refused || least[0] < tt.least {
				t.Error(said)
			}
		})
	}
}
