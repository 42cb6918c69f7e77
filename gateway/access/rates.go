package access

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ErrRate is the cause of an error about a request that is one too many.
var ErrRate = errors.New("the caller's rate is used up")

// Rate is how many requests a caller may send: Requests in each Per, and Burst
// at once.
type Rate struct {
	Requests int
	Per      time.Duration
	Burst    int
}

// Rates bound how often each caller asks, whichever of his credentials he uses.
// What he has used up stays so when the configuration changes. It is safe for
// concurrent use. Nil Rates bound nobody.
type Rates struct {
	now     func() time.Time
	refused func(caller string)

	mu  sync.RWMutex
	of  map[string]*rate.Limiter
	set map[string]Rate
}

// NewRates returns Rates that bound nobody yet. refused, which may be nil, is
// told of each request that is one too many.
func NewRates(now func() time.Time, refused func(caller string)) *Rates {
	return &Rates{now: now, refused: refused, of: map[string]*rate.Limiter{}, set: map[string]Rate{}}
}

// Use bounds these callers from now on, and no others.
func (r *Rates) Use(all map[string]Rate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for caller := range r.of {
		if _, kept := all[caller]; !kept {
			delete(r.of, caller)
		}
	}
	now := r.now()
	for caller, each := range all {
		limit := rate.Limit(float64(each.Requests) / each.Per.Seconds())
		switch had, ok := r.of[caller]; {
		case !ok:
			r.of[caller] = rate.NewLimiter(limit, each.Burst)
		case r.set[caller] != each:
			had.SetLimitAt(now, limit)
			had.SetBurstAt(now, each.Burst)
		}
	}
	r.set = all
}

// Take counts one request of the caller. Zero: it may go on. Otherwise it is one
// too many, and may come again after that time.
func (r *Rates) Take(caller string) time.Duration {
	if r == nil {
		return 0
	}
	r.mu.RLock()
	limiter := r.of[caller]
	r.mu.RUnlock()
	if limiter == nil {
		return 0
	}
	now := r.now()
	turn := limiter.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if wait <= 0 {
		return 0
	}
	turn.CancelAt(now)
	if r.refused != nil {
		r.refused(caller)
	}
	return wait
}
