package audit

import (
	"runtime"
	"sync"
	"time"
)

// batch is the lines that go out in one write.
type batch struct {
	times  []time.Time
	bodies []byte
	ends   []int // of each body
	done   chan struct{}
	kept   int // so many of them are written
	err    error
}

// result is that of one line.
func (b *batch) result(i int) error {
	if i < b.kept {
		return nil
	}
	return b.err
}

func (b *batch) add(t time.Time, body []byte) int {
	b.times = append(b.times, t)
	b.bodies = append(b.bodies, body...)
	b.ends = append(b.ends, len(b.bodies))
	return len(b.ends) - 1
}

// empty makes the batch one for other lines.
func (b *batch) empty() {
	b.times, b.bodies, b.ends, b.kept, b.err = b.times[:0], b.bodies[:0], b.ends[:0], 0, nil
}

// line writes body behind the others, in one write with those that come
// meanwhile. Whoever begins a batch writes it: it lets those run first that are
// ready to, so that lines gather also where one processor does everything.
func (l *Log) line(body []byte) error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return errClosed
	}
	b, first := l.next, l.next == nil
	if first {
		if b, l.spare = l.spare, nil; b == nil {
			b = &batch{}
		}
		l.next = b
	} else if b.done == nil {
		b.done = make(chan struct{})
	}
	i := b.add(l.now().UTC(), body)
	l.mu.Unlock()
	if !first {
		<-b.done
		return b.result(i)
	}
	runtime.Gosched()
	l.turn.Lock()
	l.flush()
	l.turn.Unlock()
	err := b.result(0)
	if b.done == nil { // nobody else looks at it
		b.empty()
		l.mu.Lock()
		l.spare = b
		l.mu.Unlock()
	}
	return err
}

// flush writes the batch that waits, if there is one. Called with turn held.
func (l *Log) flush() {
	l.mu.Lock()
	b := l.next
	l.next = nil
	l.mu.Unlock()
	if b == nil {
		return
	}
	l.put(b)
	if b.done == nil {
		return
	}
	l.mu.Lock()
	if l.spare == nil { // those who wait read none of this
		l.spare = &batch{times: b.times, bodies: b.bodies, ends: b.ends}
		l.spare.empty()
	}
	l.mu.Unlock()
	close(b.done)
}

// syncs is one call of Sync for all who wait for it.
type syncs struct {
	mu   sync.Mutex
	next *syncing
	turn sync.Mutex
}

type syncing struct {
	done chan struct{}
	err  error
}

// after returns when a Sync that began after this call has ended.
func (s *syncs) after(sync func() error) error {
	s.mu.Lock()
	b, first := s.next, s.next == nil
	if first {
		b = &syncing{done: make(chan struct{})}
		s.next = b
	}
	s.mu.Unlock()
	if !first {
		<-b.done
		return b.err
	}
	s.turn.Lock()
	runtime.Gosched() // so that those join whom the Sync before has just let go on
	s.mu.Lock()
	s.next = nil
	s.mu.Unlock()
	b.err = sync()
	close(b.done)
	s.turn.Unlock()
	return b.err
}
