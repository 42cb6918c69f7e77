package work

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// client keeps a server busy, and is frugal so that it can.
type client struct{ conns []*conn }

type conn struct {
	net.Conn
	in *bufio.Reader
}

func newClient(b *testing.B, address string) *client {
	b.Helper()
	c := new(client)
	for range connections {
		n, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = n.Close() })
		c.conns = append(c.conns, &conn{n, bufio.NewReaderSize(n, 64<<10)})
	}
	return c
}

// message is a request as it goes over the wire.
func message(method, path, body string) []byte {
	return fmt.Appendf(nil, "%s %s?api-version=2026-04-01 HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Accept: application/json\r\nUser-Agent: azsdk-go-azsecrets/v1.4.0 (go1.26; linux)\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, host, token, len(body), body)
}

// ask returns the body of the answer to one request.
func (s *server) ask(b *testing.B, method, path, body string) []byte {
	b.Helper()
	c := s.client.conns[0]
	if _, err := c.Write(message(method, path, body)); err != nil {
		b.Fatal(err)
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		b.Fatalf("%s %s: %d %v", method, path, resp.StatusCode, err)
	}
	return got
}

// load sends the message again and again on every connection, for as long as
// told, and returns how many were answered.
func (c *client) load(b *testing.B, message []byte, how time.Duration) int64 {
	b.Helper()
	var n atomic.Int64
	var all sync.WaitGroup
	end := time.Now().Add(how)
	for _, each := range c.conns {
		all.Go(func() {
			for time.Now().Before(end) {
				if err := each.exchange(message); err != nil {
					b.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	return n.Load()
}

// exchange sends one message and passes over its answer.
func (c *conn) exchange(message []byte) error {
	if _, err := c.Write(message); err != nil {
		return err
	}
	length := -1
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("answered %q", line)
		case len(line) == 2 && length < 0:
			return errors.New("an answer without its length")
		case len(line) == 2:
			_, err := c.in.Discard(length)
			return err
		}
		if v, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(strings.TrimSpace(string(v))); err != nil {
				return err
			}
		}
	}
}
