package migrate

import (
	"sync"
	"time"
)

// cost is what the looks of a plan cost, from which that of the run is reckoned.
type cost struct {
	mu       sync.Mutex
	looked   int64 // secrets
	requests int64
	expected int64 // requests of the run
}

// add counts the requests of one look. The run will make these again, less what
// only a plan asks, and one for each version that it writes.
func (c *cost) add(e *Entry, requests int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looked++
	c.requests += requests
	if e.Action != "" {
		c.expected += requests + int64(len(e.Versions))
	}
}

// expect is what the run will take at the pace of the plan: requests, and seconds,
// rounded up.
func (c *cost) expect(took time.Duration) (requests, seconds int64) {
	if c.requests == 0 {
		return c.expected, 0
	}
	each := took / time.Duration(c.requests)
	return c.expected, int64((time.Duration(c.expected)*each + time.Second - 1) / time.Second)
}
