package postgrestest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Fault is what one round trip meets.
type Fault int

// The faults.
const (
	CutBefore Fault = iota // the connection ends, and the server has seen nothing
	CutSent                // it ends once all is sent: the server does it, and nobody waits
	CutAnswer              // the server has done it and answered, and the answer is lost
	faultCount
)

func (f Fault) String() string {
	return [faultCount]string{"cut before", "cut once sent", "answer lost"}[f]
}

// Faults lists all.
func Faults() []Fault { return []Fault{CutBefore, CutSent, CutAnswer} }

// Proxy stands between clients and a server, and lets a round trip meet a fault.
type Proxy struct {
	Dir  string // of its Unix socket
	Port int
	ln   net.Listener
	to   string

	mu    sync.Mutex
	text  string // of the statement whose round trip is to fail
	fault Fault
	armed bool
	hold  func(statements []string)
	met   int
	delay time.Duration
	conns map[net.Conn]struct{}
}

// NewProxy starts a proxy that stops with the test. Every answer takes delay.
func (s *Server) NewProxy(tb testing.TB, delay time.Duration) *Proxy {
	tb.Helper()
	dir, err := os.MkdirTemp("", "pgproxy")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{Dir: dir, Port: s.Port, to: filepath.Join(s.Socket, fmt.Sprintf(".s.PGSQL.%d", s.Port)), delay: delay, conns: map[net.Conn]struct{}{}}
	p.ln, err = net.Listen("unix", filepath.Join(dir, fmt.Sprintf(".s.PGSQL.%d", s.Port))) //nolint:noctx // it does not wait
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = p.ln.Close()
		p.CutAll()
		_ = os.RemoveAll(dir)
	})
	go p.serve()
	return p
}

// DSN is how the superuser reaches a database through the proxy.
func (p *Proxy) DSN(database string) string {
	return fmt.Sprintf("host=%s port=%d user=%s dbname=%s sslmode=disable", p.Dir, p.Port, Superuser, database)
}

// Arm has the next round trip with a statement that holds the text meet the fault. The
// statement counts with a space on either side.
func (p *Proxy) Arm(text string, f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text, p.fault, p.armed = text, f, true
}

// Hold has every round trip wait for f, which learns the statements of it. Nil:
// none waits.
func (p *Proxy) Hold(f func(statements []string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = f
}

// Met counts the faults that were met.
func (p *Proxy) Met() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.met
}

// CutAll ends every connection.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *Proxy) serve() {
	for {
		c, err := p.ln.Accept()
		if err != nil {
			return
		}
		go p.pass(c)
	}
}

func (p *Proxy) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("unix", p.to) //nolint:noctx // it does not wait
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	p.mu.Lock()
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, client)
		delete(p.conns, server)
	}()
	s := &session{proxy: p, client: client, server: server, statements: map[string]string{}}
	go s.answers()
	s.requests()
}

// session is one connection through the proxy.
type session struct {
	proxy          *Proxy
	client, server net.Conn
	statements     map[string]string // by their names on this connection

	mu   sync.Mutex
	mute bool // the answer is lost: the connection ends once it is there
}

// requests passes on what the client sends, a round trip at a time.
func (s *session) requests() {
	in := bufio.NewReaderSize(s.client, 1<<16)
	first, err := readMessage(in, false)
	if err != nil {
		return
	}
	if _, err := s.server.Write(first); err != nil {
		return
	}
	var round bytes.Buffer
	var texts []string
	meets := false
	for {
		m, err := readMessage(in, true)
		if err != nil {
			return
		}
		if text, runs := s.reads(m); runs {
			texts = append(texts, text)
			meets = s.proxy.isFor(text) || meets
		}
		round.Write(m)
		if m[0] != 'S' && m[0] != 'Q' && m[0] != 'X' && m[0] != 'p' && m[0] != 'd' && m[0] != 'c' {
			continue
		}
		s.proxy.mu.Lock()
		hold := s.proxy.hold
		s.proxy.mu.Unlock()
		if hold != nil && len(texts) > 0 {
			hold(texts)
		}
		if !s.send(round.Bytes(), meets) {
			return
		}
		meets, texts = false, nil
		round.Reset()
	}
}

// send reports whether the connection goes on.
func (s *session) send(round []byte, meets bool) bool {
	p := s.proxy
	p.mu.Lock()
	meets = meets && p.armed
	f := p.fault
	if meets {
		p.armed = false
		p.met++
	}
	p.mu.Unlock()
	if meets && f == CutBefore {
		return false
	}
	if meets { // no answer comes, however fast it is
		s.mu.Lock()
		s.mute = true
		s.mu.Unlock()
	}
	if _, err := s.server.Write(round); err != nil {
		return false
	}
	return !meets || f != CutSent
}

// isFor reports whether a round trip with the text is to fail.
func (p *Proxy) isFor(text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.armed && strings.Contains(" "+text+" ", p.text)
}

// reads learns the names of statements, and tells which one m runs.
func (s *session) reads(m []byte) (text string, runs bool) {
	body := m[5:]
	word := func() string {
		w, rest, _ := bytes.Cut(body, []byte{0})
		body = rest
		return string(w)
	}
	switch m[0] {
	case 'P':
		name := word()
		s.statements[name] = word()
		return "", false
	case 'B':
		word()
		return s.statements[word()], true
	case 'Q':
		return word(), true
	}
	return "", false
}

// answers passes on what the server says.
func (s *session) answers() {
	defer func() { _ = s.client.Close() }()
	buffer := make([]byte, 1<<16)
	for {
		n, err := s.server.Read(buffer)
		s.mu.Lock()
		mute := s.mute
		s.mu.Unlock()
		if err != nil || mute {
			return
		}
		if s.proxy.delay > 0 {
			<-time.After(s.proxy.delay)
		}
		if _, err := s.client.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// readMessage reads one message, which the first of a connection has no type of.
func readMessage(r io.Reader, typed bool) ([]byte, error) {
	head := make([]byte, 5)
	if !typed {
		head = head[1:]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[len(head)-4:]))
	if n < 4 || n > 1<<30 {
		return nil, errors.New("no message")
	}
	m := make([]byte, len(head)+n-4)
	copy(m, head)
	_, err := io.ReadFull(r, m[len(head):])
	return m, err
}
