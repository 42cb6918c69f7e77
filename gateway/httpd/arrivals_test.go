package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/dialects"
	"github.com/vaultferry/vaultferry/gateway/httpd"
)

// stopping is a server whose clock stands still, and which will be told to stop.
type stopping struct {
	*httpd.Server
	ahead atomic.Int64
	said  bytes.Buffer // to be read when it has ended
	stop  context.CancelFunc
	ended chan error
}

func startStopping(t *testing.T, withTLS bool) *stopping {
	t.Helper()
	s, began := &stopping{ended: make(chan error, 1)}, time.Now()
	o := httpd.Options{
		Dialects: []dialects.Dialect{echo{}}, Address: "127.0.0.1:0", Local: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(&s.said, nil)),
	}
	if withTLS {
		ts := httptest.NewUnstartedServer(nil) // for its certificate alone
		ts.StartTLS()
		o.TLS = &tls.Config{Certificates: ts.TLS.Certificates}
		ts.Close()
	}
	var err error
	if s.Server, err = httpd.New(o); err != nil {
		t.Fatal(err)
	}
	httpd.Clock(s.Server, func() time.Time { return began.Add(time.Duration(s.ahead.Load())) })
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	s.stop = stop
	go func() { s.ended <- s.Run(ctx) }()
	return s
}

// inPeace waits until the server has ended.
func (s *stopping) inPeace(t *testing.T) {
	t.Helper()
	if err := <-s.ended; err != nil || s.said.Len() > 0 {
		t.Errorf("%v, said %s", err, s.said.String())
	}
}

func dialTCP(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ends wants the server to close the connection, without an answer.
func ends(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if b, err := io.ReadAll(c); len(b) > 0 {
		t.Errorf("%s: got %q, %v", what, b, err)
	}
}

// TestSilenceKeepsNoStop: a connection that was opened and says nothing does not keep a
// stop, whatever it said before its first request. The clock stands still, so
// nothing but that it was silent for a second lets the server end.
func TestSilenceKeepsNoStop(t *testing.T) {
	t.Parallel()
	for _, withTLS := range []bool{false, true} {
		s := startStopping(t, withTLS)
		open := map[string]net.Conn{"nothing": dialTCP(t, s.Address()), "nothing, to programs on this machine": dialTCP(t, s.LocalAddress())}
		partly := dialTCP(t, s.Address())
		if _, err := io.WriteString(partly, map[bool]string{false: "GET /x HT", true: "\x16\x03\x01\x02\x00\x01"}[withTLS]); err != nil {
			t.Fatal(err)
		}
		open["a part"] = partly
		if withTLS {
			done := tls.Client(dialTCP(t, s.Address()), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}) // in which the server is the last to speak
			if err := done.Handshake(); err != nil {
				t.Fatal(err)
			}
			open["a handshake"] = done
		}
		httpd.AwaitArrivals(s.Server, len(open))
		httpd.AwaitHeard(s.Server, len(open)-2)
		s.ahead.Store(int64(1100 * time.Millisecond))
		s.stop()
		s.inPeace(t)
		for what, c := range open {
			if c != open["a handshake"] {
				ends(t, what, c)
			}
		}
	}
}

// TestWhoHasGotThroughIsServed: a connection that has just been made, or says something
// on and on, is waited for, and its request is answered.
func TestWhoHasGotThroughIsServed(t *testing.T) {
	t.Parallel()
	s := startStopping(t, false)
	quick, slow := dialTCP(t, s.Address()), dialTCP(t, s.Address())
	httpd.AwaitArrivals(s.Server, 2)
	s.ahead.Store(int64(800 * time.Millisecond))
	if _, err := io.WriteString(slow, "GET /slowly HTTP/1.1\r\n"); err != nil {
		t.Fatal(err)
	}
	httpd.AwaitHeard(s.Server, 1)
	s.stop()
	httpd.AwaitStop(s.Server)
	asks := func(c net.Conn, text, want string) {
		t.Helper()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || string(b) != want {
			t.Errorf("%q, %v; want %s", b, err, want)
		}
	}
	asks(quick, "GET /quick HTTP/1.1\r\nHost: x\r\n\r\n", "/quick")
	s.ahead.Store(int64(1700 * time.Millisecond)) // a second after it came, and not after it spoke
	asks(slow, "Host: x\r\n\r\n", "/slowly")
	s.inPeace(t)
}
