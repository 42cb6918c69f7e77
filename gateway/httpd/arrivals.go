package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// arrivals are the connections of a server whose first request has not begun yet. A
// server that shuts down drops what it reads from them, although their clients had
// got through to it: so it takes no more of them first, and waits for these.
type arrivals struct {
	now func() time.Time

	mu      sync.Mutex
	waiting map[net.Conn]*arrival
}

func newArrivals() *arrivals {
	return &arrivals{now: time.Now, waiting: map[net.Conn]*arrival{}}
}

type arrival struct {
	conn  net.Conn // as the server has it
	at    time.Time
	heard *arriving // nil: not known
	begun atomic.Bool
}

type arrivalKey struct{}

const (
	// slow is how long a connection may take to its first request and still be waited
	// for, as in net/http.
	slow = 5 * time.Second
	// silent is how long it may say nothing meanwhile: a round trip, and more. Who opens
	// connections ahead says nothing for long.
	silent = time.Second
)

// watch has the server tell of its connections. They must come from the listener of
// listen, and its handler must call begins.
func (a *arrivals) watch(s *http.Server) {
	s.ConnContext, s.ConnState = a.connContext, a.connState
}

// listen has connections remember when they last said something.
func (a *arrivals) listen(l net.Listener) net.Listener { return &arrivingListener{l, a} }

type arrivingListener struct {
	net.Listener
	of *arrivals
}

// Accept implements net.Listener.
func (l *arrivingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &arriving{Conn: c, of: l.of}, nil
}

// arriving is a connection that remembers when it last said something, until its
// first request has begun.
type arriving struct {
	net.Conn
	of   *arrivals
	last atomic.Int64 // in nanoseconds; 0: it said nothing
	done atomic.Bool
}

// Read implements net.Conn.
func (c *arriving) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !c.done.Load() {
		c.last.Store(c.of.now().UnixNano())
	}
	return n, err
}

func (a *arrivals) connContext(ctx context.Context, c net.Conn) context.Context {
	n := &arrival{conn: c, at: a.now()}
	under := c
	if t, ok := c.(*tls.Conn); ok {
		under = t.NetConn()
	}
	n.heard, _ = under.(*arriving)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting[c] = n
	return context.WithValue(ctx, arrivalKey{}, n)
}

func (a *arrivals) connState(c net.Conn, s http.ConnState) {
	if s == http.StateClosed || s == http.StateHijacked {
		a.forget(c)
	}
}

// begins: a request of the connection is served.
func (a *arrivals) begins(r *http.Request) {
	n, ok := r.Context().Value(arrivalKey{}).(*arrival)
	if !ok || n.begun.Load() || n.begun.Swap(true) {
		return
	}
	if n.heard != nil {
		n.heard.done.Store(true)
	}
	a.forget(n.conn)
}

func (a *arrivals) forget(c net.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting, c)
}

// comes reports whether a request may be under way.
func (n *arrival) comes(now time.Time) bool {
	last := n.at
	if n.heard != nil {
		if heard := n.heard.last.Load(); heard > 0 {
			last = time.Unix(0, heard)
		}
	}
	return now.Sub(n.at) < slow && now.Sub(last) < silent
}

// closeSilent closes the connections from which no request comes any more, and
// returns how many others there are.
func (a *arrivals) closeSilent() (others int) {
	now := a.now()
	var gone []net.Conn
	a.mu.Lock()
	for c, n := range a.waiting {
		if n.comes(now) {
			others++
			continue
		}
		gone = append(gone, c)
		delete(a.waiting, c)
	}
	a.mu.Unlock()
	for _, c := range gone {
		closeUnder(c) // its server finds out
	}
	return others
}

// closeUnder closes a connection without a farewell, which would wait for a
// handshake.
func closeUnder(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	_ = c.Close()
}

// settle waits until there are none. Those that say nothing are closed.
func (a *arrivals) settle(ctx context.Context) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for a.closeSilent() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// finish takes no more connections, and serves whoever has got through.
func finish(ctx context.Context, of *http.Server, ln net.Listener, a *arrivals) error {
	_ = ln.Close() // Shutdown may close it again, and tells when it is done
	a.settle(ctx)
	if err := of.Shutdown(ctx); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}
