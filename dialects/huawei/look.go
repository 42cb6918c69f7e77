package huawei

import (
	"context"
	"time"

	"github.com/vaultferry/vaultferry/gateway"
	"github.com/vaultferry/vaultferry/gateway/access"
	"github.com/vaultferry/vaultferry/secret"
)

// lookAgain is how long a look through a store that served nobody forbids
// another one.
const lookAgain = 30 * time.Second

// looks are those through one store, one at a time.
type looks struct {
	running *look
	vain    time.Time       // when the last one ended that served nobody
	missed  map[string]bool // the ids that it looked for
}

// look goes through a store once, for all who ask meanwhile.
type look struct {
	started bool // it has seen a name
	wanted  map[string][]visible
	whole   map[string]bool        // the ids that were wanted before it started
	found   map[string]secret.Name // by id
	served  bool                   // somebody may act on what was found
	err     error
	done    chan struct{} // closed when all of these are settled
}

// visible reports whether the one who asks may act on the name.
type visible func(secret.Name) bool

// find returns the name of an id that was made here. Who may not act on the
// name waits for what one waits for whose id is nobody's: so neither the answer
// nor its time shows whether there is such a secret.
//
// A look that serves nobody is the only one in its store for 30 seconds. Who
// asks for another id meanwhile is told to come again, and not that it is gone:
// another gateway may have made the secret since.
func (a *api) find(r *request, action access.Action, id string) (secret.Name, error) {
	may := func(n secret.Name) bool {
		return a.svc.MayName(r.Caller, action, gateway.Ref{Store: r.store, Name: n})
	}
	for {
		name, l, err := a.ids.ask(r.store, id, may, func(l *look) {
			ctx := context.WithoutCancel(r.Context()) // others wait for it too
			l.err = a.svc.WalkNames(ctx, r.call, r.store, func(n secret.Name) { a.ids.see(l, r.store, n) })
			a.ids.settle(r.store, l)
		})
		if l == nil {
			return name, err
		}
		select {
		case <-l.done:
		case <-r.Context().Done():
			return "", &secret.Error{Kind: secret.Unavailable, Err: r.Context().Err()}
		}
		name, found := l.found[id]
		switch {
		case found && may(name):
			return name, nil
		case l.err != nil:
			return "", l.err
		case l.whole[id]:
			return nameOrNone(name, found)
		}
	}
}

// nameOrNone leaves it to the operation to refuse a name.
func nameOrNone(name secret.Name, found bool) (secret.Name, error) {
	if !found {
		return "", noSuchID()
	}
	return name, nil
}

// ask returns what is known of the id, or the look to wait for, which it begins
// with walk if none runs.
func (x *ids) ask(store, id string, may visible, walk func(*look)) (secret.Name, *look, error) {
	x.mu.RLock()
	name, known := x.names[id]
	x.mu.RUnlock()
	if known && may(name) {
		return name, nil, nil
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.looks[store]
	if s == nil {
		s = &looks{}
		x.looks[store] = s
	}
	if s.running == nil {
		if wait := s.vain.Add(lookAgain).Sub(x.now()); wait > 0 {
			if s.missed[id] {
				name, err := nameOrNone(name, known)
				return name, nil, err
			}
			return "", nil, &secret.Error{Kind: secret.Throttled, Detail: "this id is not known yet, and the store was looked through just now", RetryAfter: wait}
		}
		s.running = &look{wanted: map[string][]visible{}, whole: map[string]bool{}, found: map[string]secret.Name{}, done: make(chan struct{})}
		go walk(s.running)
	}
	l := s.running
	l.wanted[id] = append(l.wanted[id], may)
	if known { // it passed by before
		l.found[id] = name
	}
	if !l.started {
		l.whole[id] = true
	}
	return "", l, nil
}

// see is told each name that a look meets.
func (x *ids) see(l *look, store string, name secret.Name) {
	if speakable(name) != nil {
		return
	}
	id := x.of(store, name)
	x.mu.Lock()
	defer x.mu.Unlock()
	l.started = true
	if _, ok := l.wanted[id]; ok {
		l.found[id] = name
	}
}

// settle ends a look.
func (x *ids) settle(store string, l *look) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for id, name := range l.found {
		for _, may := range l.wanted[id] {
			l.served = l.served || may(name)
		}
	}
	s := x.looks[store]
	s.running = nil
	if !l.served {
		s.vain, s.missed = x.now(), map[string]bool{}
		if l.err == nil {
			s.missed = l.whole
		}
	}
	close(l.done)
}
