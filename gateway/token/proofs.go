package token

import (
	"crypto/sha256"
	"sync"
)

// proof is a token whose signature holds.
type proof[C any] struct {
	claims C
	key    string // the id of the key that signed it
}

// maxProofs bounds the memory; a client uses one token for an hour or more.
const maxProofs = 4096

// proofs spare the arithmetic for a token that was seen before: it would take
// most of the time of a read. Only what was proved gets in, so that nobody
// can fill it with guesses.
type proofs[C any] struct {
	mu   sync.RWMutex
	seen map[[sha256.Size]byte]proof[C]
}

// find leaves to prove what was not seen before.
func (p *proofs[C]) find(token string, prove func() (proof[C], error)) (proof[C], error) {
	sum := sha256.Sum256([]byte(token))
	p.mu.RLock()
	found, ok := p.seen[sum]
	p.mu.RUnlock()
	if ok {
		return found, nil
	}
	found, err := prove()
	if err != nil {
		return proof[C]{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.seen) >= maxProofs || p.seen == nil {
		p.seen = map[[sha256.Size]byte]proof[C]{}
	}
	p.seen[sum] = found
	return found, nil
}
