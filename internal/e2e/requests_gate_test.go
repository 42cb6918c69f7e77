package e2e

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// gate is the upstream of a proxy, and finds out which requests of one call go
// out at the same time. It holds all that come until the client waits for
// nothing else, lets them pass together, and holds again: each time is a wave,
// and the waves are the round trips that the call makes one after the other.
//
// A client that waits looks like one that is slow. So the gate is told what to
// expect: a wave passes as soon as it is as wide as foretold, and only where it
// does not become so, time decides.
type gate struct {
	next  http.RoundTripper
	aside func(*http.Request) bool // of no operation: passes, and is not counted

	mu       sync.Mutex
	open     bool // nothing is held or counted
	expected []int
	held     []chan struct{}
	passing  int  // of the last wave, without an answer yet
	answered bool // one of it has its answer
	waves    []int
	patience time.Duration
	quiet    *time.Timer
}

// Patience with a wave that is not what was foretold, and with one of which
// nothing is known. Both are waited out only where a table is about to change.
const (
	gatePatience  = time.Minute
	gateMeasuring = 60 * time.Millisecond
)

func newGate(t *testing.T, next http.RoundTripper) *gate {
	g := &gate{next: next, open: true, aside: func(*http.Request) bool { return false }}
	g.quiet = time.AfterFunc(time.Hour, g.giveUp)
	t.Cleanup(func() { g.quiet.Stop() })
	return g
}

// shut begins to hold. Nil: nothing is expected, time decides about all.
func (g *gate) shut(expected []int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open, g.expected, g.waves, g.patience = false, slices.Clone(expected), nil, gatePatience
	if expected == nil {
		g.patience = gateMeasuring
	}
}

// unlock ends that, and returns how wide each wave was.
func (g *gate) unlock() []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.held) > 0 { // the call left them behind
		g.wave()
	}
	g.open = true
	return g.waves
}

// RoundTrip implements http.RoundTripper.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if g.aside(r) {
		return g.next.RoundTrip(r)
	}
	pass := g.enter()
	if pass == nil {
		return g.next.RoundTrip(r)
	}
	select {
	case <-pass:
	case <-r.Context().Done():
		return nil, errors.Join(errAtGate, r.Context().Err())
	}
	defer g.left()
	return g.next.RoundTrip(r)
}

var errAtGate = errors.New("the caller left while its request was held")

// enter holds one more request; nil: the gate is open.
func (g *gate) enter() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		return nil
	}
	pass := make(chan struct{})
	if g.passing > 0 && !g.answered { // it waited for none of the last wave, and is one of it
		g.waves[len(g.waves)-1]++
		g.passing++
		close(pass)
		return pass
	}
	g.held = append(g.held, pass)
	if len(g.expected) > 0 && len(g.held) == g.expected[0] {
		g.expected = g.expected[1:]
		g.wave()
		return pass
	}
	g.quiet.Reset(g.patience)
	return pass
}

// left tells that a request has its answer.
func (g *gate) left() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered = true
	if g.passing--; g.passing == 0 && len(g.held) > 0 {
		g.quiet.Reset(g.patience)
	}
}

// giveUp takes what is held for all that will come.
func (g *gate) giveUp() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.held) > 0 && g.passing == 0 {
		g.expected, g.patience = nil, gateMeasuring
		g.wave()
	}
}

func (g *gate) wave() {
	g.waves = append(g.waves, len(g.held))
	g.passing, g.answered = g.passing+len(g.held), false
	g.release()
}

func (g *gate) release() {
	for _, pass := range g.held {
		close(pass)
	}
	g.held = nil
}
