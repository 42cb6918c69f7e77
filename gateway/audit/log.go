package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// File is what a Log writes to.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// Log appends entries. Concurrent writers share one write and one fsync, and
// several processes may share the file that Open opens. It is safe for
// concurrent use.
type Log struct {
	now func() time.Time

	mu      sync.Mutex
	file    File
	next    *batch // collects entries while a batch is being written
	writing bool
	err     error // the first failure; the log is broken from then on
	idle    sync.Cond

	at link // touched by the one who writes alone
}

// batch is the entries that go out in one write.
type batch struct {
	entries []Entry
	sync    bool
	done    chan struct{}
	err     error
}

// Open appends to the file at path, which is created with mode 0600, and
// continues the chain that stands there.
func Open(path string, now func() time.Time) (*Log, error) {
	f, err := openShared(path)
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	l := New(f, now)
	if err := f.exclusively(&l.at, func() error { return nil }); err != nil {
		return nil, errors.Join(fmt.Errorf("audit: %s: %w", path, err), f.Close())
	}
	return l, nil
}

// New returns a log that starts a chain in f.
func New(f File, now func() time.Time) *Log {
	l := &Log{now: now, file: f, at: firstLink()}
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
	if l.next == nil {
		l.next = &batch{done: make(chan struct{})}
	}
	b := l.next
	e.Time = l.now().UTC()
	b.entries = append(b.entries, e)
	b.sync = b.sync || durable
	if l.writing {
		l.mu.Unlock()
		<-b.done
		return b.err
	}
	l.writing = true
	l.drain()
	l.mu.Unlock()
	return b.err
}

// drain writes the waiting batch, and leaves those that gathered meanwhile to
// a goroutine, so that no caller is kept writing for others. Called with mu
// held, which it gives up while writing.
func (l *Log) drain() {
	b := l.next
	l.next = nil
	if l.err == nil {
		l.mu.Unlock()
		err := l.write(b)
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

func (l *Log) write(b *batch) error {
	if f, ok := l.file.(*sharedFile); ok {
		return f.exclusively(&l.at, func() error { return l.put(b) })
	}
	return l.put(b)
}

func (l *Log) put(b *batch) error {
	var buf bytes.Buffer
	for i := range b.entries {
		e := &b.entries[i]
		e.V, e.Seq, e.Chain = 1, l.at.seq+1, l.at.hex()
		line, err := json.Marshal(e)
		if err != nil {
			return err
		}
		buf.Write(line)
		buf.WriteByte('\n')
		l.at.follow(line)
	}
	if _, err := l.file.Write(buf.Bytes()); err != nil {
		return err
	}
	if !b.sync {
		return nil
	}
	return l.file.Sync()
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
