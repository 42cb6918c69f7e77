package access

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"time"
)

// The throttle's numbers follow the vendor's: five failures in a row lock for
// about five minutes.
const (
	throttleFree = 5
	throttleLock = 5 * time.Minute
	throttleSize = 10_000
)

// Throttle slows down whoever fails to authenticate: the pair of key id and
// client address, never the key id alone, so that nobody can lock out an
// honest holder from elsewhere. It is safe for concurrent use.
type Throttle struct {
	now func() time.Time

	mu    sync.Mutex
	pairs map[pair]*failures
}

type pair struct{ key, address string }

// maxKey is longer than any key id. What strangers send beyond it is kept as
// its hash: they must not choose how much is remembered.
const maxKey = 128

func pairOf(key, address string) pair {
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		key = string(sum[:])
	}
	return pair{key, address}
}

// HashedKey is a key for what strangers send and nobody should keep: a token,
// a name that may be a secret in the wrong place.
func HashedKey(kind, text string) string {
	sum := sha256.Sum256([]byte(text))
	return kind + ":" + hex.EncodeToString(sum[:8])
}

type failures struct {
	count int
	until time.Time // locked until; zero: not locked
	last  time.Time
}

// NewThrottle returns an empty throttle.
func NewThrottle(now func() time.Time) *Throttle {
	return &Throttle{now: now, pairs: map[pair]*failures{}}
}

// Locked returns how long the pair still has to wait, or zero.
func (t *Throttle) Locked(key, address string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.pairs[pairOf(key, address)]
	if f == nil {
		return 0
	}
	return max(0, f.until.Sub(t.now()))
}

// Failed counts a failure and locks the pair after too many in a row.
func (t *Throttle) Failed(key, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, p := t.now(), pairOf(key, address)
	f := t.pairs[p]
	if f == nil || now.Sub(f.last) > throttleLock {
		t.makeRoom(now)
		f = &failures{}
		t.pairs[p] = f
	}
	f.count++
	f.last = now
	if f.count >= throttleFree {
		f.count, f.until = 0, now.Add(throttleLock)
	}
}

// Succeeded forgets the pair's failures.
func (t *Throttle) Succeeded(key, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.pairs, pairOf(key, address))
}

// makeRoom bounds the memory that an attacker with many addresses can fill:
// stale pairs go first, then those that are not locked, then arbitrary ones, a
// tenth at once, so that a flood does not make each failure walk through all of
// them.
func (t *Throttle) makeRoom(now time.Time) {
	if len(t.pairs) < throttleSize {
		return
	}
	for p, f := range t.pairs {
		if now.Sub(f.last) > throttleLock {
			delete(t.pairs, p)
		}
	}
	for _, locked := range []bool{false, true} {
		for p, f := range t.pairs {
			if len(t.pairs) < throttleSize-throttleSize/10 {
				return
			}
			if now.Before(f.until) == locked {
				delete(t.pairs, p)
			}
		}
	}
}
