package wire

import (
	"context"
	"errors"
	"sync"
	"time"
)

// budget divides room among those who need it. Each hold counts for a key: the
// network of a stranger, or a proved caller at his. When the room is taken,
// whoever keeps others waiting by being slow loses his hold, so that nobody
// holds room by doing nothing. Among those who wait the next one is of the key
// that holds least; then whoever needs least; then who came first.
//
// It is safe for concurrent use.
type budget struct {
	total, share int64
	pace         int64 // units a second; below it a hold may be ended
	even         bool  // so may that of a key which holds far more than the one who waits
	patience     time.Duration
	now          func() time.Time

	mu      sync.Mutex
	used    int64
	keys    map[string]int64
	holds   map[*hold]struct{}
	waiting map[*waiter]struct{}
	arrived uint64
}

const (
	// minAge is how long a hold may do nothing.
	minAge = time.Second
	// maxWaiting bounds those who wait for one budget.
	maxWaiting = 2048
)

var (
	errNoRoom = errors.New("wire: there is no room")
	errEnded  = errors.New("wire: others needed the room")
)

func newBudget(total, share, pace int64, patience time.Duration) *budget {
	return &budget{
		total: total, share: share, pace: pace, patience: patience, now: time.Now,
		keys: map[string]int64{}, holds: map[*hold]struct{}{}, waiting: map[*waiter]struct{}{},
	}
}

// hold is room that one request has. Its fields belong to the budget's lock.
type hold struct {
	b     *budget
	key   string
	n     int64
	due   time.Time   // when it is slow, unless something comes or goes
	end   func() bool // makes the holder let go; nil, or false: it cannot be made to
	ended bool
}

// waiter is a hold that needs n more.
type waiter struct {
	*hold
	more   int64
	number uint64
	woken  chan struct{}
}

// enter returns a hold of nothing.
func (b *budget) enter(key string, end func() bool) *hold {
	return &hold{b: b, key: key, end: end, due: b.now().Add(minAge)}
}

// take waits for n more. It fails if the room does not come, ctx ends, or
// others need what h has already.
func (h *hold) take(ctx context.Context, n int64) error {
	b := h.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.waiting) == 0 && b.fits(h.key, n) && !h.ended {
		h.add(n)
		return nil
	}
	if len(b.waiting) >= maxWaiting {
		return errNoRoom
	}
	b.arrived++
	w := &waiter{hold: h, more: n, number: b.arrived, woken: make(chan struct{}, 1)}
	b.waiting[w] = struct{}{}
	defer func() {
		delete(b.waiting, w)
		b.wake(h.key)
	}()
	return b.wait(ctx, w)
}

func (b *budget) wait(ctx context.Context, w *waiter) error {
	timer := time.NewTimer(b.patience)
	defer timer.Stop()
	for began := b.now(); ; {
		left := b.patience - b.now().Sub(began)
		first := b.first(b.group(w)) == w
		switch {
		case w.ended:
			return errEnded
		case first && b.fits(w.key, w.more):
			w.add(w.more)
			return nil
		case left <= 0:
			return errNoRoom
		case first && b.makeRoom(w):
			continue
		case first: // somebody may become too slow
			left = min(left, minAge/4)
		}
		timer.Reset(left)
		b.mu.Unlock()
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-w.woken:
		case <-timer.C:
		}
		b.mu.Lock()
		if err != nil {
			return err
		}
	}
}

func (b *budget) fits(key string, n int64) bool {
	return b.used+n <= b.total && b.keys[key]+n <= b.share
}

// group is the key of a waiter whose key has all of its share: he waits for
// others of that key. All the rest are one group.
func (b *budget) group(w *waiter) string {
	if b.keys[w.key]+w.more > b.share {
		return w.key
	}
	return ""
}

// first is the next one of a group.
func (b *budget) first(group string) *waiter {
	var found *waiter
	for w := range b.waiting {
		if b.group(w) == group && (found == nil || b.precedes(w, found)) {
			found = w
		}
	}
	return found
}

func (b *budget) precedes(w, v *waiter) bool {
	switch mine, others := b.keys[w.key], b.keys[v.key]; {
	case mine != others:
		return mine < others
	case w.more != v.more:
		return w.more < v.more
	}
	return w.number < v.number
}

// wake has those look again who may be next after something of key changed.
func (b *budget) wake(key string) {
	if len(b.waiting) == 0 {
		return
	}
	for _, group := range []string{"", key} {
		if w := b.first(group); w != nil {
			select {
			case w.woken <- struct{}{}:
			default:
			}
		}
	}
}

// add takes n without asking; n may be negative.
func (h *hold) add(n int64) {
	b := h.b
	h.n += n
	b.used += n
	b.holds[h] = struct{}{}
	if b.keys[h.key] += n; b.keys[h.key] == 0 {
		delete(b.keys, h.key)
	}
	if n < 0 {
		b.wake(h.key)
	}
}

// makeRoom ends one hold in favour of w. It reports whether to ask again at
// once: the hold that was chosen cannot be ended.
func (b *budget) makeRoom(w *waiter) bool {
	var victim *hold
	now, mine := b.now(), b.keys[w.key]+w.more
	pending := int64(0)
	for o := range b.holds {
		switch {
		case o == w.hold || o.end == nil || mine > b.share && o.key != w.key:
		case o.ended: // it is about to let go
			pending += o.n
		case !b.slow(o, now) && (!b.even || b.keys[o.key] < 2*mine):
		case victim == nil || b.before(o, victim, now):
			victim = o
		}
	}
	if victim == nil || pending >= w.more {
		return false
	}
	victim.ended = true
	if !victim.end() {
		victim.end, victim.ended = nil, false
		return true
	}
	b.wakeHold(victim)
	return false
}

// wakeHold tells a hold that waits for more that it has ended.
func (b *budget) wakeHold(h *hold) {
	for w := range b.waiting {
		if w.hold == h {
			select {
			case w.woken <- struct{}{}:
			default:
			}
		}
	}
}

// before reports whether o loses its room before p does: the slow first, then
// those whose key holds most.
func (b *budget) before(o, p *hold, now time.Time) bool {
	if slow := b.slow(o, now); slow != b.slow(p, now) {
		return slow
	}
	if b.keys[o.key] != b.keys[p.key] {
		return b.keys[o.key] > b.keys[p.key]
	}
	return o.due.Before(p.due)
}

// slow reports whether less came or went lately than the pace demands.
func (b *budget) slow(h *hold, now time.Time) bool { return now.After(h.due) }

// progress tells that n units came or went: the next ones have that much longer,
// and minAge at most.
func (h *hold) progress(n int) {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	now := h.b.now()
	earned := minAge
	if h.b.pace > 0 {
		earned = min(minAge, time.Duration(n)*time.Second/time.Duration(h.b.pace))
	}
	if h.due.Before(now) {
		h.due = now
	}
	h.due = h.due.Add(earned)
	if latest := now.Add(minAge); h.due.After(latest) {
		h.due = latest
	}
}

// begin says that the pace counts from now on, and how h can be ended.
func (h *hold) begin(end func() bool) {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	h.due, h.end = h.b.now().Add(minAge), end
}

// settle says that h needs n from now on, and is slow no more: nobody ends it.
func (h *hold) settle(n int64) {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	h.end = nil
	h.add(n - h.n)
}

// wasEnded reports whether h has lost its room.
func (h *hold) wasEnded() bool {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	return h.ended
}

// release gives everything back.
func (h *hold) release() {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	h.add(-h.n)
	delete(h.b.holds, h)
}

// moveTo has the same room count in another budget, for another key. It never
// waits: what is there cannot be refused.
func (h *hold) moveTo(b *budget, key string) *hold {
	n := h.n
	h.release()
	moved := b.enter(key, nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	moved.add(n)
	return moved
}
