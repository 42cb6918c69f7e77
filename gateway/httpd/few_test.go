package httpd

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// TestFewConnections: the listeners beside the clients' have a bound too, which
// one address of this machine may use up. Who closes one makes room.
func TestFewConnections(t *testing.T) {
	t.Parallel()
	s, err := New(Options{
		Address: "127.0.0.1:0", Local: "127.0.0.1:0", Admin: Admin{Address: "127.0.0.1:0"}, Metrics: NewMetrics(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.UseLocal(http.NotFoundHandler())
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	var run errgroup.Group
	run.Go(func() error { return s.Run(t.Context()) })
	t.Cleanup(func() {
		if err := run.Wait(); err != nil {
			t.Error(err)
		}
	})
	for name, address := range map[string]string{"local": s.LocalAddress(), "admin": s.AdminAddress()} {
		var open []net.Conn
		for range fewConnections {
			c := dial(t, address)
			if !served(t, c) {
				t.Fatalf("%s: connection %d is refused", name, len(open)+1)
			}
			open = append(open, c)
		}
		if served(t, dial(t, address)) {
			t.Errorf("%s: more than %d are served", name, fewConnections)
		}
		for _, c := range open {
			_ = c.Close()
		}
	}
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// served asks for something and leaves the connection open.
func served(t *testing.T, c net.Conn) bool {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return false
	}
	n, _ := c.Read(make([]byte, 12))
	return n > 0
}
