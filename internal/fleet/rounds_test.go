package fleet

import "sync"

// rounds has clients work when a gateway is about to be killed, and rest between: so
// many kills meet calls, and a machine with two processors can do something else.
type rounds struct {
	pace    int // calls of each client in a round; 0: they do not rest
	clients int

	mu      sync.Mutex
	cond    sync.Cond
	now     int
	reached map[int]int // clients that have made all calls of a round
	over    bool
}

func newRounds(pace, clients int) *rounds {
	r := &rounds{pace: pace, clients: clients, now: 1, reached: map[int]int{}}
	r.cond.L = &r.mu
	return r
}

// next begins another round, once no client is further behind than the last: however
// slow the machine is, the share of calls that a kill meets is the same.
func (r *rounds) next() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.pace > 0 && r.reached[r.now-1] < r.clients {
		r.cond.Wait()
	}
	r.now++
	r.cond.Broadcast()
}

// end ends the last round.
func (r *rounds) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.cond.Broadcast()
}

// goOn returns when a client that has made so many calls may make another: false
// where all is over. A client asks before each.
func (r *rounds) goOn(made int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pace > 0 && made%r.pace == 0 {
		r.reached[made/r.pace]++
		r.cond.Broadcast()
	}
	for !r.over && r.pace > 0 && made >= r.now*r.pace {
		r.cond.Wait()
	}
	return !r.over
}
