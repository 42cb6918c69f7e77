package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// File is what a Log writes to: an *os.File, or a test's.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// Log appends entries. Concurrent writers share one write and one fsync. It
// is safe for concurrent use.
type Log struct {
	now func() time.Time

	mu      sync.Mutex
	file    File
	seq     uint64
	chain   [sha256.Size]byte
	next    *batch // collects lines while a batch is being written
	writing bool
	err     error // the first failure; the log is broken from then on
	idle    sync.Cond
}

// batch is the lines that go out in one write.
type batch struct {
	buf  bytes.Buffer
	sync bool
	done chan struct{}
	err  error
}

// Open appends to the file at path, which is created with mode 0600, and
// continues the chain that stands there.
func Open(path string, now func() time.Time) (*Log, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	l := New(f, now)
	if err := l.resume(f); err != nil {
		return nil, errors.Join(fmt.Errorf("audit: %s: %w", path, err), f.Close())
	}
	return l, nil
}

// New returns a log that starts a chain in f.
func New(f File, now func() time.Time) *Log {
	l := &Log{now: now, file: f, chain: sha256.Sum256(nil)}
	l.idle.L = &l.mu
	return l
}

// Write appends e, filling V, Chain, Seq and Time. With durable it returns
// after the line is on stable storage, otherwise once the system has it. An
// error means that the log cannot be relied on: it stays broken.
func (l *Log) Write(e Entry, durable bool) error {
	l.mu.Lock()
	if l.err != nil {
		defer l.mu.Unlock()
		return l.err
	}
	b, err := l.add(e, durable)
	if err != nil || l.writing {
		l.mu.Unlock()
		if err != nil {
			return err
		}
		<-b.done
		return b.err
	}
	l.writing = true
	l.drain()
	l.mu.Unlock()
	return b.err
}

// add puts the line of e into the batch that goes out next.
func (l *Log) add(e Entry, durable bool) (*batch, error) {
	e.V, e.Seq, e.Time = 1, l.seq+1, l.now().UTC()
	e.Chain = hex.EncodeToString(l.chain[:])
	line, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	if l.next == nil {
		l.next = &batch{done: make(chan struct{})}
	}
	l.next.buf.Write(line)
	l.next.buf.WriteByte('\n')
	l.next.sync = l.next.sync || durable
	l.seq, l.chain = e.Seq, sha256.Sum256(line)
	return l.next, nil
}

// drain writes the waiting batch, and leaves those that gathered meanwhile to
// a goroutine, so that no caller is kept writing for others. Called with mu
// held, which it gives up while writing.
func (l *Log) drain() {
	b := l.next
	l.next = nil
	if l.err == nil {
		l.mu.Unlock()
		err := b.write(l.file)
		l.mu.Lock()
		if err != nil {
			l.err = fmt.Errorf("audit: %w", err)
		}
	}
	b.err = l.err
	close(b.done)
	if l.next == nil {
		l.writing = false
		l.idle.Broadcast()
		return
	}
	go func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.drain()
	}()
}

func (b *batch) write(f File) error {
	if _, err := f.Write(b.buf.Bytes()); err != nil {
		return err
	}
	if !b.sync {
		return nil
	}
	return f.Sync()
}

// Healthy returns the failure that broke the log, or nil.
func (l *Log) Healthy() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close waits for writers and closes the file. Later writes fail.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing {
		l.idle.Wait()
	}
	if errors.Is(l.err, os.ErrClosed) {
		return nil
	}
	var err error
	if l.err == nil {
		err = l.file.Sync()
	}
	l.err = fmt.Errorf("audit: %w", os.ErrClosed)
	return errors.Join(err, l.file.Close())
}

// tail bounds how much of the end of a file is read for its last line.
const tail = 1 << 20

// resume continues the chain of the last line. A line that a crash cut short
// is ended with a newline and chained over as it stands: nothing is removed.
func (l *Log) resume(f *os.File) error {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	buf := make([]byte, min(info.Size(), tail))
	if _, err := f.ReadAt(buf, info.Size()-int64(len(buf))); err != nil {
		return err
	}
	if buf[len(buf)-1] != '\n' {
		if _, err := f.WriteString("\n"); err != nil {
			return err
		}
		buf = append(buf, '\n')
	}
	lines := bytes.Split(bytes.TrimSuffix(buf, []byte("\n")), []byte("\n"))
	l.chain = sha256.Sum256(lines[len(lines)-1])
	for i := len(lines) - 1; i >= 0; i-- {
		var e struct {
			Seq uint64 `json:"seq"`
		}
		if json.Unmarshal(lines[i], &e) == nil && e.Seq > 0 {
			l.seq = e.Seq + uint64(len(lines)-1-i)
			return nil
		}
	}
	return errors.New("the file holds no audit line")
}
