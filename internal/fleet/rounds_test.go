package fleet

import "sync"

// rounds has clients work when a gateway is about to be killed, and rest between: so
// many kills meet calls, and a machine with two processors can do something else.
type rounds struct {
	pace int // calls of each client in a round; 0: they do not rest

	mu   sync.Mutex
	cond sync.Cond
	now  int
	over bool
}

func newRounds(pace int) *rounds {
	r := &rounds{pace: pace, now: 1}
	r.cond.L = &r.mu
	return r
}

// next begins another round, end ends the last.
func (r *rounds) next() { r.change(func() { r.now++ }) }
func (r *rounds) end()  { r.change(func() { r.over = true }) }

func (r *rounds) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	r.cond.Broadcast()
}

// goOn returns when a client that has made so many calls may make another: false
// where all is over.
func (r *rounds) goOn(made int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.over && r.pace > 0 && made >= r.now*r.pace {
		r.cond.Wait()
	}
	return !r.over
}
