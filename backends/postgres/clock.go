package postgres

import (
	"sync"
	"time"
)

// clock is the database's, as far as its answers tell: gateways whose own clocks
// differ give the same times. Between two answers this process's monotonic time
// goes on.
type clock struct {
	mu    sync.Mutex
	local time.Time     // when it was told
	told  time.Time     // what
	doubt time.Duration // by how much that may be wrong
}

// drift is by how much two clocks may part, per second.
const drift = time.Millisecond

// observe takes the time that an answer told, which was asked for at sent. One
// that took long says little: of two that agree the surer counts, and of two that
// cannot both be right the later one.
func (c *clock) observe(sent, told time.Time) {
	now := time.Now()
	doubt := now.Sub(sent) / 2
	c.mu.Lock()
	defer c.mu.Unlock()
	age := now.Sub(c.local)
	most := c.doubt + time.Duration(age.Seconds()*float64(drift))
	off := c.told.Add(age - doubt).Sub(told).Abs()
	if c.local.IsZero() || doubt <= most || off > most+doubt {
		c.local, c.told, c.doubt = now.Add(-doubt), told, doubt
	}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.told.Add(time.Since(c.local)).UTC()
}
