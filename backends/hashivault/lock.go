package hashivault

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

// locks parts the writers of one name within this process, and shows readers
// no write between its value and its attributes. Between processes cas alone
// decides: see the package comment.
type locks struct {
	mu   sync.Mutex
	held map[string]*lock
}

type lock struct {
	sem   *semaphore.Weighted
	users int
}

const everyone = 1 << 20 // the weight of a writer; a reader has 1

func (l *locks) read(ctx context.Context, path string) (unlock func(), err error) {
	return l.acquire(ctx, path, 1)
}

// hide keeps readers out while a value stands without its attributes. The
// caller holds the place among the writers.
func (l *locks) hide(ctx context.Context, path string) (unlock func(), err error) {
	return l.acquire(ctx, path, everyone)
}

// write waits for the other writers of the name, imports among them. It keeps
// no reader waiting, for an import may take long.
func (l *locks) write(ctx context.Context, path string) (unlock func(), err error) {
	return l.acquire(ctx, "\n"+path, everyone) // no path begins so
}

func (l *locks) acquire(ctx context.Context, path string, weight int64) (func(), error) {
	k := l.join(path)
	if err := k.sem.Acquire(ctx, weight); err != nil {
		l.leave(path, k)
		return nil, unavailable(err)
	}
	return func() {
		k.sem.Release(weight)
		l.leave(path, k)
	}, nil
}

func (l *locks) join(path string) *lock {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]*lock{}
	}
	k := l.held[path]
	if k == nil {
		k = &lock{sem: semaphore.NewWeighted(everyone)}
		l.held[path] = k
	}
	k.users++
	return k
}

func (l *locks) leave(path string, k *lock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, path)
	}
}
