package httpd

import (
	"net/http"
	"runtime"
	"time"
)

// Servers are those behind both listeners.
func Servers(s *Server) []*http.Server { return []*http.Server{s.main, s.admin} }

// WaitWith replaces how a server waits for its shutdown delay.
func WaitWith(s *Server, wait func(time.Duration)) { s.wait = wait }

// Clock replaces that by which a stop waits for connections. Nobody may have
// connected yet.
func Clock(s *Server, now func() time.Time) { s.arrivals.now, s.ownArrivals.now = now, now }

// AwaitArrivals returns when so many connections without a request are known.
func AwaitArrivals(s *Server, want int) {
	await(func() bool { return s.arrivals.count(isOpen)+s.ownArrivals.count(isOpen) == want })
}

// AwaitHeard returns when so many of them have said something.
func AwaitHeard(s *Server, want int) {
	await(func() bool { return s.arrivals.count(hasSpoken) == want })
}

// AwaitStop returns when the server takes no more connections.
func AwaitStop(s *Server) { await(s.stopping.Load) }

func await(is func() bool) {
	for !is() {
		runtime.Gosched()
	}
}

func isOpen(*arrival) bool { return true }

func hasSpoken(n *arrival) bool { return n.heard.last.Load() > 0 }

func (a *arrivals) count(is func(*arrival) bool) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, each := range a.waiting {
		if is(each) {
			n++
		}
	}
	return n
}
