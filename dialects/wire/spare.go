package wire

import (
	"sync"
	"time"
)

// spareBuffer keeps the buffer of one large body that failed: many of them, one
// after the other, would be garbage faster than it is collected.
type spareBuffer struct {
	mu    sync.Mutex
	b     []byte
	timer *time.Timer
}

// spareLife is how long it is kept.
const spareLife = 10 * time.Second

// take returns an empty buffer with that capacity.
func (s *spareBuffer) take(capacity int64) []byte {
	if capacity > DefaultMaxBody {
		s.mu.Lock()
		defer s.mu.Unlock()
		if b := s.b; int64(cap(b)) >= capacity {
			s.b = nil
			return b[:0:capacity]
		}
	}
	return make([]byte, 0, capacity)
}

func (s *spareBuffer) put(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(b) <= DefaultMaxBody || cap(b) < cap(s.b) {
		return
	}
	s.b = b[:0]
	if s.timer == nil {
		s.timer = time.AfterFunc(spareLife, s.drop)
	}
	s.timer.Reset(spareLife)
}

func (s *spareBuffer) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b = nil
}
