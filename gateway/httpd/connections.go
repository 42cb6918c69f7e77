package httpd

import (
	"context"
	"net"
	"sync"

	"github.com/vaultferry/vaultferry/gateway/access"
)

// connections is a listener with a bound on how many connections are open at
// once, and on how many of them are one network's. Beyond its own bound a
// network gets no more. When all are taken, the network that has most loses its
// oldest in favour of one that has fewer.
type connections struct {
	net.Listener
	most, mostOfOne int
	pace            *access.Pace
	exempt          func(address string) bool // from the bound and the pace of one network

	mu      sync.Mutex
	count   uint64
	refused int64
	open    map[*connection]struct{}
	of      map[string]int // by network
}

type connection struct {
	net.Conn
	from    *connections
	network string
	number  uint64
	once    sync.Once
	turn    sync.Once
	closed  context.Context // ends with the connection
	end     context.CancelFunc
}

func bounded(l net.Listener, most int, pace *access.Pace, exempt func(string) bool) *connections {
	return &connections{
		Listener: l, most: most, mostOfOne: max(1, most/4), pace: pace, exempt: exempt,
		open: map[*connection]struct{}{}, of: map[string]int{},
	}
}

// Accept returns the next connection for which there is room.
func (l *connections) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if admitted := l.admit(c); admitted != nil {
			return admitted, nil
		}
		_ = c.Close() // it is nobody's yet
	}
}

func (l *connections) admit(c net.Conn) net.Conn {
	address := hostOf(c.RemoteAddr().String())
	network := access.Network(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of[network] >= l.mostOfOne && !l.exempt(address) {
		l.refused++
		return nil
	}
	if len(l.open) >= l.most {
		oldest := l.oldestOfHeaviest()
		l.refused++ // that one or this one
		if l.of[oldest.network] <= l.of[network]+1 {
			return nil
		}
		l.forget(oldest)
		_ = oldest.Conn.Close() // its server finds out
	}
	l.count++
	n := &connection{Conn: c, from: l, network: network, number: l.count}
	n.closed, n.end = context.WithCancel(context.Background())
	if l.exempt(address) {
		n.turn.Do(func() {})
	}
	l.open[n] = struct{}{}
	l.of[network]++
	return n
}

func (l *connections) counts() (open int, refused int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open), l.refused
}

func (l *connections) oldestOfHeaviest() *connection {
	var found *connection
	for c := range l.open {
		switch {
		case found == nil, l.of[c.network] > l.of[found.network]:
			found = c
		case c.network == found.network && c.number < found.number:
			found = c
		}
	}
	return found
}

func (l *connections) forget(c *connection) {
	if _, is := l.open[c]; !is {
		return
	}
	delete(l.open, c)
	if l.of[c.network]--; l.of[c.network] == 0 {
		delete(l.of, c.network)
	}
}

// Read waits for the connection's turn first: a handshake costs more than all
// that may follow.
func (c *connection) Read(p []byte) (int, error) {
	c.turn.Do(func() { c.from.pace.Connected(c.closed, c.network) })
	return c.Conn.Read(p)
}

// Close makes room for the next one.
func (c *connection) Close() error {
	c.once.Do(func() {
		c.from.mu.Lock()
		defer c.from.mu.Unlock()
		c.from.forget(c)
		c.end()
	})
	return c.Conn.Close()
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
