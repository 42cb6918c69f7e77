package migrate

import (
	"math"
	"sync"
	"time"
)

// Requests are how many a move makes to its target, see limits.Requests.
type Requests struct{ Create, Version, Append, Added, Look int }

// cost is what the looks of a plan cost, from which that of the run is reckoned.
type cost struct {
	target Requests

	mu       sync.Mutex
	requests int64
	expected int64 // requests of the run
}

// add counts the requests of one look: all of them, and those to the source. A run makes
// the latter again. It appends after the same looks at the target; to create, it looks in
// another way.
func (c *cost) add(e *Entry, all, source int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests += all
	n := int64(len(e.Versions))
	switch e.Action {
	case DoCreate:
		c.expected += source + int64(c.target.Create) + n*int64(c.target.Version)
	case DoAppend:
		c.expected += all + int64(c.target.Append) + n*int64(c.target.Added) + int64(c.target.Look)
	}
}

// expect is what the run will take at the pace of the plan: requests, and seconds,
// rounded up.
func (c *cost) expect(took time.Duration) (requests, seconds int64) {
	if c.requests == 0 {
		return c.expected, 0
	}
	each := took.Seconds() / float64(c.requests)
	return c.expected, int64(math.Ceil(float64(c.expected) * each))
}
