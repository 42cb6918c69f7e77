package fleet

import (
	"io"
	"net"
	"sync"
	"testing"
)

// balancer hands connections out in turn, and passes on bytes. A gateway that does
// not listen is passed over.
type balancer struct {
	address string
	to      []string

	mu   sync.Mutex
	next int
}

func newBalancer(t testing.TB, to []string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	b := &balancer{address: l.Addr().String(), to: to}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.pass(c)
		}
	}()
	return b
}

func (b *balancer) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	for range 2 * len(b.to) {
		b.mu.Lock()
		b.next++
		to := b.to[b.next%len(b.to)]
		b.mu.Unlock()
		server, err := net.Dial("tcp", to)
		if err != nil {
			continue
		}
		defer func() { _ = server.Close() }()
		go func() {
			_, _ = io.Copy(server, client)
			_ = server.Close()
		}()
		_, _ = io.Copy(client, server)
		return
	}
}
