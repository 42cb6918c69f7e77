package httpd

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// arrivals are the connections whose first request has not begun yet. A server
// that shuts down drops what it reads from them, although their clients had got
// through to it: so it takes no more of them first, and waits for these.
type arrivals struct {
	mu      sync.Mutex
	waiting map[net.Conn]*arrival
}

type arrival struct {
	conn  net.Conn
	at    time.Time
	begun atomic.Bool
}

type arrivalKey struct{}

// silent is how long a connection may say nothing and still be waited for, as in
// net/http.
const silent = 5 * time.Second

// connContext is for http.Server.
func (a *arrivals) connContext(ctx context.Context, c net.Conn) context.Context {
	n := &arrival{conn: c, at: time.Now()}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting[c] = n
	return context.WithValue(ctx, arrivalKey{}, n)
}

// connState is for http.Server.
func (a *arrivals) connState(c net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		a.forget(c)
	}
}

// begins: a request of the connection is served.
func (a *arrivals) begins(r *http.Request) {
	if n, ok := r.Context().Value(arrivalKey{}).(*arrival); ok && !n.begun.Load() && !n.begun.Swap(true) {
		a.forget(n.conn)
	}
}

func (a *arrivals) forget(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, c)
}

// none reports whether every connection has begun, or has been silent for too long.
func (a *arrivals) none(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.waiting {
		if now.Sub(n.at) < silent {
			return false
		}
	}
	return true
}

// settle waits until there are none.
func (a *arrivals) settle(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !a.none(time.Now()) {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
