package kit

import (
	"context"
	"sync"

	"github.com/vaultferry/vaultferry/secret"
)

// KeyedLock let one writer at a time at a name, within one process. The zero KeyedLock
// are ready.
type KeyedLock struct {
	mu   sync.Mutex
	held map[secret.Name]*turn
}

type turn struct {
	busy  chan struct{}
	users int
}

// Lock waits for the name and returns what gives it back. Unavailable: the
// caller's time is over.
func (l *KeyedLock) Lock(ctx context.Context, name secret.Name) (release func(), err error) {
	k := l.join(name)
	select {
	case k.busy <- struct{}{}:
		return func() {
			<-k.busy
			l.leave(name, k)
		}, nil
	case <-ctx.Done():
		l.leave(name, k)
		return nil, &secret.Error{Kind: secret.Unavailable, Op: "wait", Name: name, Detail: "another write to this secret takes too long", Err: ctx.Err()}
	}
}

func (l *KeyedLock) join(name secret.Name) *turn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[secret.Name]*turn{}
	}
	k := l.held[name]
	if k == nil {
		k = &turn{busy: make(chan struct{}, 1)}
		l.held[name] = k
	}
	k.users++
	return k
}

func (l *KeyedLock) leave(name secret.Name, k *turn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k.users--; k.users == 0 {
		delete(l.held, name)
	}
}
