// Package syslog sends audit lines to a collector, as RFC 5424 over TLS
// (RFC 5425). It is beside the audit's file, which decides: it never holds a
// call up, and counts what it could not send.
package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// priority is of facility 13, log audit, and severity 6, informational.
	priority = 13*8 + 6
	appName  = "vaultferry"

	// What waits for a collector that is slow, or gone.
	maxWaiting = 8192
	maxBytes   = 8 << 20

	dialTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second
	// lastWords is how long what waits may still be sent at the end.
	lastWords = 3 * time.Second
)

// Sink sends lines to one collector.
type Sink struct {
	address string
	tls     *tls.Config
	log     *slog.Logger
	now     func() time.Time
	host    string

	lines  chan []byte
	bytes  atomic.Int64
	missed atomic.Int64
	losing atomic.Bool

	stop    context.CancelFunc
	running sync.WaitGroup
}

// New starts to send to the address. The configuration must name whom to trust.
func New(address string, config *tls.Config, log *slog.Logger, now func() time.Time) *Sink {
	s := &Sink{address: address, tls: config, log: log, now: now, lines: make(chan []byte, maxWaiting)}
	var err error
	if s.host, err = os.Hostname(); err != nil || s.host == "" {
		s.host = "-"
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.running.Go(func() { s.run(ctx) })
	return s
}

// Offer takes a line, or counts it as missed. It never waits.
func (s *Sink) Offer(line []byte) {
	size := int64(len(line))
	if s.bytes.Add(size) <= maxBytes {
		select {
		case s.lines <- bytes.Clone(line):
			return
		default:
		}
	}
	s.bytes.Add(-size)
	s.missed.Add(1)
	if !s.losing.Swap(true) {
		s.log.Error("the collector of audit lines is too slow, or gone: it misses lines, which stand in the file", slog.String("address", s.address))
	}
}

// Missed is how many lines the collector did not get.
func (s *Sink) Missed() int64 { return s.missed.Load() }

// Waiting is how many lines the collector has yet to get.
func (s *Sink) Waiting() int64 { return int64(len(s.lines)) }

// Close sends what waits, for a moment, and ends.
func (s *Sink) Close() error {
	s.stop()
	s.running.Wait()
	s.missed.Add(int64(len(s.lines)))
	return nil
}

// run connects, and again after a while whenever that breaks.
func (s *Sink) run(ctx context.Context) {
	var unsent []byte // the line that was not sent whole
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		conn, err := s.dial(ctx)
		if err == nil {
			begun := s.now()
			unsent, err = s.send(ctx, conn, unsent)
			_ = conn.Close() // whatever it says, nothing more is sent
			if err == nil {
				return
			}
			if s.now().Sub(begun) > longestPause {
				pause = firstPause
			}
		}
		if ctx.Err() == nil {
			s.log.Warn("audit lines cannot be sent to the collector", slog.String("address", s.address), slog.Any("error", err))
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			if unsent != nil {
				s.missed.Add(1)
			}
			return
		case <-timer.C:
		}
	}
}

func (s *Sink) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return (&tls.Dialer{Config: s.tls}).DialContext(ctx, "tcp", s.address)
}

// send sends lines until ctx ends, and then those that wait. It returns the
// line that could not be sent.
func (s *Sink) send(ctx context.Context, conn net.Conn, first []byte) ([]byte, error) {
	gone := make(chan error, 1)
	go func() { // a collector never answers: what comes is the end
		_, err := conn.Read(make([]byte, 1))
		gone <- errors.Join(errors.New("the collector closed the connection"), err)
	}()
	if first != nil {
		if err := s.write(conn, first); err != nil {
			return first, err
		}
	}
	for {
		select {
		case line := <-s.lines:
			s.bytes.Add(-int64(len(line)))
			if err := s.write(conn, line); err != nil {
				return line, err
			}
		case err := <-gone:
			return nil, err
		case <-ctx.Done():
			return nil, s.drain(conn)
		}
	}
}

func (s *Sink) drain(conn net.Conn) error {
	for end := time.Now().Add(lastWords); time.Now().Before(end); {
		select {
		case line := <-s.lines:
			s.bytes.Add(-int64(len(line)))
			if err := s.write(conn, line); err != nil {
				s.missed.Add(1)
				return nil //nolint:nilerr // it is counted, and the end is now
			}
		default:
			return nil
		}
	}
	return nil
}

// write sends one frame: the length, a space, the message.
func (s *Sink) write(conn net.Conn, line []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	message := s.message(line)
	frame := append(strconv.AppendInt(make([]byte, 0, len(message)+8), int64(len(message)), 10), ' ')
	_, err := conn.Write(append(frame, message...))
	if err == nil && s.losing.Swap(false) {
		s.log.Warn("the collector of audit lines takes them again", slog.Int64("missed", s.missed.Load()))
	}
	return err
}

func (s *Sink) message(line []byte) []byte {
	b := fmt.Appendf(nil, "<%d>1 %s %s %s %d audit - ", priority, s.now().UTC().Format("2006-01-02T15:04:05.000000Z"), s.host, appName, os.Getpid())
	return append(b, line...)
}
