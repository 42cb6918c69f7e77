package access

import (
	"context"
	"sync"
	"time"
)

// The numbers of a Pace.
const (
	paceEvery   = 10 * time.Millisecond // one of a network, on and on
	paceBurst   = 300                   // so many at once before anything waits
	paceLongest = 2 * time.Second       // nothing waits longer
	paceWaiting = 512                   // requests of a network at once
	paceSize    = 10_000                // networks
)

// Pace slows down what a network costs without proof: each of its connections
// counts, and each request whose sender is not proved, and a proved request
// takes one off. So honest clients pay for their connections and never wait,
// and whoever is refused again and again waits for his refusals, which costs
// the gateway nothing. So does a caller beyond his rate.
//
// It is safe for concurrent use. A nil Pace slows nothing down.
type Pace struct {
	now func() time.Time

	mu       sync.Mutex
	networks map[string]*debt
}

type debt struct {
	until   time.Time // when everything is paid
	waiting int
}

// NewPace returns a Pace that nobody has used.
func NewPace(now func() time.Time) *Pace { return &Pace{now: now, networks: map[string]*debt{}} }

// Proved takes one off what the address's network owes.
func (p *Pace) Proved(address string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.networks[Network(address)]; d != nil {
		d.until = d.until.Add(-paceEvery)
	}
}

// Connected counts a connection, and waits for its turn or for the end of ctx.
// How many there are is bounded elsewhere.
func (p *Pace) Connected(ctx context.Context, address string) {
	if p != nil {
		p.wait(ctx, Network(address), false)
	}
}

// Unproved counts a request without proof, and waits for its turn or for the end of
// ctx. It reports false at once if too many of the network wait: its connection
// ought to end.
func (p *Pace) Unproved(ctx context.Context, address string) bool {
	return p == nil || p.wait(ctx, Network(address), true)
}

// Limited is Unproved of a request beyond its caller's rate. It counts for the
// caller alone: who shares his address has no part in it.
func (p *Pace) Limited(ctx context.Context, caller string) bool {
	return p == nil || p.wait(ctx, "caller "+caller, true) // no network is called so
}

func (p *Pace) wait(ctx context.Context, network string, bounded bool) bool {
	wait, ok := p.owe(network, bounded)
	if wait <= 0 {
		return ok
	}
	defer p.waited(network)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return true
}

// owe counts one, and returns how long it is to wait. A wait that is not zero
// ends with a call of waited. If bounded, too many do not wait.
func (p *Pace) owe(network string, bounded bool) (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	d := p.networks[network]
	if d == nil {
		p.makeRoom(now)
		d = &debt{}
		p.networks[network] = d
	}
	if d.until.Before(now) {
		d.until = now
	}
	d.until = d.until.Add(paceEvery)
	free := now.Add(paceBurst * paceEvery)
	wait = d.until.Sub(free)
	switch {
	case wait <= 0:
		return 0, true
	case wait > paceLongest:
		wait, d.until = paceLongest, free.Add(paceLongest)
	}
	if bounded && d.waiting >= paceWaiting {
		return 0, false
	}
	d.waiting++
	return wait, true
}

func (p *Pace) waited(network string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.networks[network]; d != nil {
		d.waiting--
	}
}

// makeRoom forgets who owes nothing, and if all do, a tenth of them.
func (p *Pace) makeRoom(now time.Time) {
	if len(p.networks) < paceSize {
		return
	}
	for k, d := range p.networks {
		if d.waiting == 0 && !d.until.After(now) {
			delete(p.networks, k)
		}
	}
	for k, d := range p.networks {
		if len(p.networks) < paceSize-paceSize/10 {
			return
		}
		if d.waiting == 0 {
			delete(p.networks, k)
		}
	}
}
