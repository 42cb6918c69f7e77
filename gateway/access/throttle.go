package access

import (
	"crypto/sha256"
	"sync"
	"time"
)

// The throttle's numbers. Those of a pair follow the vendor's: five failures in
// a row lock for about five minutes.
const (
	pairFree    = 5
	networkFree = 100 // of all keys together: many programs may stand behind one address
	keyFree     = 50  // from all networks together

	throttleLock = 5 * time.Minute
	throttleSize = 10_000
	// rememberProof is how long a key is known at a network after it was proved
	// there.
	rememberProof = 24 * time.Hour
)

// Throttle slows down whoever fails to authenticate: the pair of key id and
// network (an IPv6 network is a /64), the network, and the key. A key alone is
// never locked where its holder has proved it lately, so nobody can lock him
// out from elsewhere.
//
// A lock is for secrets that can be guessed. A proof by one that cannot (see
// Strong) is to be taken all the same: whoever shares an address with somebody
// who guesses has not to wait. It is safe for concurrent use.
type Throttle struct {
	now func() time.Time

	mu       sync.Mutex
	pairs    counters[pair]
	networks counters[string]
	keys     counters[string]
	proved   counters[pair] // by weak secrets; last is when
}

type pair struct{ key, network string }

// maxKey is longer than any key id. What strangers send beyond it is kept as
// its hash: they must not choose how much is remembered.
const maxKey = 128

func pairOf(key, address string) pair {
	if len(key) > maxKey {
		sum := sha256.Sum256([]byte(key))
		key = string(sum[:])
	}
	return pair{key, Network(address)}
}

// HashedKey is a key for what strangers send and nobody should keep: a token,
// a name that may be a secret in the wrong place.
func HashedKey(kind, text string) string {
	return DigestedCredential(kind, text)
}

// NewThrottle returns an empty throttle.
func NewThrottle(now func() time.Time) *Throttle {
	return &Throttle{now: now, pairs: counters[pair]{}, networks: counters[string]{}, keys: counters[string]{}, proved: counters[pair]{}}
}

// Locked returns how long the key has to wait at the address, or zero. A proof
// by a strong secret is to be taken nevertheless.
func (t *Throttle) Locked(key, address string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, p := t.now(), pairOf(key, address)
	wait := max(t.pairs.locked(p, now), t.networks.locked(p.network, now))
	if f := t.proved[p]; f == nil || now.Sub(f.last) > rememberProof {
		wait = max(wait, t.keys.locked(p.key, now))
	}
	return wait
}

// Failed counts a failure, and locks after too many.
func (t *Throttle) Failed(key, address string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, p := t.now(), pairOf(key, address)
	t.pairs.failed(p, now, pairFree)
	t.networks.failed(p.network, now, networkFree)
}

// Guessed is Failed for a key whose secret may be one that can be guessed: what
// many networks fail at together counts too.
func (t *Throttle) Guessed(key, address string) {
	t.Failed(key, address)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys.failed(pairOf(key, address).key, t.now(), keyFree)
}

// Succeeded forgets the pair's failures. That a weak secret was proved here is
// remembered: see Throttle.
func (t *Throttle) Succeeded(key, address string, strong bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := pairOf(key, address)
	delete(t.pairs, p)
	if !strong {
		t.proved.at(p, t.now(), rememberProof).last = t.now()
	}
}

// counters count failures by whom they are of.
type counters[K comparable] map[K]*failures

type failures struct {
	count int
	until time.Time // locked until; zero: not locked
	last  time.Time
}

func (c counters[K]) locked(k K, now time.Time) time.Duration {
	if f := c[k]; f != nil {
		return max(0, f.until.Sub(now))
	}
	return 0
}

// failed counts one more, and locks from the free-th on. Failures that are as
// old as a lock is long do not count.
func (c counters[K]) failed(k K, now time.Time, free int) {
	f := c.at(k, now, throttleLock)
	f.count++
	f.last = now
	if f.count >= free {
		f.count, f.until = 0, now.Add(throttleLock)
	}
}

// at finds what is not older than life, or begins anew.
func (c counters[K]) at(k K, now time.Time, life time.Duration) *failures {
	f := c[k]
	if f == nil || now.Sub(f.last) > life {
		c.makeRoom(now, life)
		f = &failures{}
		c[k] = f
	}
	return f
}

// makeRoom bounds the memory that an attacker with many addresses can fill:
// what is stale goes first, then what is not locked, then anything, a tenth at
// once, so that a flood does not make each failure walk through all of it.
func (c counters[K]) makeRoom(now time.Time, life time.Duration) {
	if len(c) < throttleSize {
		return
	}
	for k, f := range c {
		if now.Sub(f.last) > life {
			delete(c, k)
		}
	}
	for _, locked := range []bool{false, true} {
		for k, f := range c {
			if len(c) < throttleSize-throttleSize/10 {
				return
			}
			if now.Before(f.until) == locked {
				delete(c, k)
			}
		}
	}
}

// Waiting is how many keys and networks have to wait now.
func (t *Throttle) Waiting() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	return t.pairs.waiting(now) + t.networks.waiting(now) + t.keys.waiting(now)
}

func (c counters[K]) waiting(now time.Time) (n int) {
	for _, f := range c {
		if f.until.After(now) {
			n++
		}
	}
	return n
}
