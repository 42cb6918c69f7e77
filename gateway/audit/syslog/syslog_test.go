package syslog_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vaultferry/vaultferry/gateway/audit/syslog"
	"github.com/vaultferry/vaultferry/internal/pki"
)

// collector is one that speaks RFC 5425 over real TLS.
type collector struct {
	ln      net.Listener
	roots   *x509.CertPool
	frames  chan string
	accepts chan net.Conn
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	ca, err := pki.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue([]string{"127.0.0.1"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	cert, err := pair.TLS()
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{frames: make(chan string, 100_000), accepts: make(chan net.Conn, 10), roots: ca.Pool()}
	if c.ln, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.ln.Close() })
	go func() {
		for {
			conn, err := c.ln.Accept()
			if err != nil {
				return
			}
			c.accepts <- conn
			go c.read(conn)
		}
	}()
	return c
}

func (c *collector) read(conn net.Conn) {
	for r := bufio.NewReader(conn); ; {
		length, err := r.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSuffix(length, " "))
		if err != nil {
			c.frames <- "not a length: " + length
			return
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		c.frames <- string(frame)
	}
}

func (c *collector) sink(t *testing.T) *syslog.Sink {
	t.Helper()
	s := syslog.New(c.ln.Addr().String(), &tls.Config{RootCAs: c.roots, MinVersion: tls.VersionTLS12}, slog.New(slog.DiscardHandler), time.Now)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func (c *collector) want(t *testing.T, line string) {
	t.Helper()
	select {
	case got := <-c.frames:
		shape := regexp.MustCompile(`^<110>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ vaultferry \d+ audit - ` + regexp.QuoteMeta(line) + `$`)
		if !shape.MatchString(got) {
			t.Fatalf("got %q, want %q", got, line)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%q never came", line)
	}
}

// TestLinesArrive in their order, also over another connection.
func TestLinesArrive(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	s := c.sink(t)
	for i := range 100 {
		s.Offer([]byte(fmt.Sprintf(`{"seq":%d}`, i)))
	}
	for i := range 100 {
		c.want(t, fmt.Sprintf(`{"seq":%d}`, i))
	}
	if err := (<-c.accepts).Close(); err != nil {
		t.Fatal(err)
	}
	again := <-c.accepts
	s.Offer([]byte("after"))
	c.want(t, "after")
	if s.Missed() != 0 {
		t.Errorf("missed %d", s.Missed())
	}
	s.Offer([]byte("last"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	c.want(t, "last")
	_ = again.Close()
}

// TestWithoutACollector nobody waits, memory is bounded, and all is counted.
func TestWithoutACollector(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never speaks TLS
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	s := syslog.New(ln.Addr().String(), &tls.Config{MinVersion: tls.VersionTLS12}, slog.New(slog.DiscardHandler), time.Now)
	line := make([]byte, 4<<10)
	for range 100_000 {
		s.Offer(line)
	}
	if n := s.Missed(); n < 100_000-8192 || n > 100_000-1 {
		t.Errorf("missed %d", n)
	}
	if err := s.Close(); err != nil || s.Missed() != 100_000 {
		t.Errorf("at the end: missed %d (%v)", s.Missed(), err)
	}
}

// TestAStrangerIsNotTrusted with what the audit tells.
func TestAStrangerIsNotTrusted(t *testing.T) {
	t.Parallel()
	c := newCollector(t)
	s := syslog.New(c.ln.Addr().String(), &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}, slog.New(slog.DiscardHandler), time.Now)
	s.Offer([]byte("secret"))
	<-c.accepts
	if err := s.Close(); err != nil || s.Missed() != 1 {
		t.Errorf("missed %d (%v)", s.Missed(), err)
	}
	select {
	case frame := <-c.frames:
		t.Errorf("it got %q", frame)
	default:
	}
}
