package kit

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/vaultferry/vaultferry/secret"
)

// KeyedLock is a reader/writer lock for each name, within one process. The
// zero KeyedLock is ready.
type KeyedLock struct {
	mu   sync.Mutex
	held map[secret.Name]*nameLock
}

type nameLock struct {
	readers *semaphore.Weighted
	users   int
}

const everyReader = 1 << 20 // the weight of a writer; a reader has 1

// Lock waits for the name and returns what gives it back. Unavailable: the
// caller's time is over.
func (l *KeyedLock) Lock(ctx context.Context, name secret.Name) (unlock func(), err error) {
	return l.acquire(ctx, name, everyReader)
}

// RLock is Lock for one of many readers, who keep writers alone waiting.
func (l *KeyedLock) RLock(ctx context.Context, name secret.Name) (unlock func(), err error) {
	return l.acquire(ctx, name, 1)
}

func (l *KeyedLock) acquire(ctx context.Context, name secret.Name, weight int64) (func(), error) {
	k := l.join(name)
	if err := k.readers.Acquire(ctx, weight); err != nil {
		l.leave(name, k)
		return nil, &secret.Error{Kind: secret.Unavailable, Op: "wait", Name: name, Detail: "another write to this secret takes too long", Err: err}
	}
	return func() {
		k.readers.Release(weight)
		l.leave(name, k)
	}, nil
}

func (l *KeyedLock) join(name secret.Name) *nameLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[secret.Name]*nameLock{}
	}
	k := l.held[name]
	if k == nil {
		k = &nameLock{readers: semaphore.NewWeighted(everyReader)}
		l.held[name] = k
	}
	k.users++
	return k
}

func (l *KeyedLock) leave(name secret.Name, k *nameLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, name)
	}
}
