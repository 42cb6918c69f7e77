package audit

import (
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vaultferry/vaultferry/internal/merkle"
)

// File is what a Log writes to.
type File interface {
	io.Writer
	Sync() error
	Close() error
}

// Options shape a Log that Open opens. The zero Options append, and nothing
// more.
type Options struct {
	Now func() time.Time // default time.Now
	Log *slog.Logger     // hears what the operator must know; nil: nobody does
	// Gateway and Signer make checkpoints; without a Signer they are not signed.
	// An empty Gateway makes none.
	Gateway string
	Signer  crypto.Signer
	MaxSize int64         // of the file, before another is begun; 0: no bound
	MaxAge  time.Duration // likewise
	// LockWait is how long a call waits for the lock of the file; default 2 s.
	LockWait time.Duration
	// LowWater is how much room the disk must have; with less, Low says so.
	LowWater int64
	// Cosign, if not nil, has witnesses sign a checkpoint, and returns it with
	// their signatures; prove shows them that the log has only grown.
	Cosign func(checkpoint string, prove func(smaller, larger int64) ([]merkle.Hash, error)) (string, error)
	// RefusedLines is how many refusals of a stranger's address, or of a caller
	// beyond his rate, in a minute have
	// a line each; default 10.
	RefusedLines int
	// Sink, if not nil, gets every line that was written. It must not block.
	Sink func(line []byte)
}

// Log appends entries. Concurrent writers share one write and one sync, and
// several processes may share the file that Open opens. It is safe for
// concurrent use.
type Log struct {
	o   Options
	now func() time.Time

	mu     sync.Mutex
	next   *batch // gathers lines while another is being written
	spare  *batch
	closed bool
	err    error // why the last line could not be written; nil: it was

	turn   sync.Mutex // of the one who writes; it guards what follows
	file   File
	shared *sharedFile // the same, if Open opened it
	at     link
	out    []byte
	ends   []int
	sums   [][32]byte
	notes  []Entry // to be written before all others
	gap    *Tally  // the lines that could not be written since the last one that was
	signed int64   // lines that were there behind the last checkpoint
	last   string  // that checkpoint
	asked  string  // the last checkpoint that witnesses were asked to sign; of Tick alone
	owed   string  // one that not all of them signed; likewise

	syncs   syncs
	refused refusals
	state   state

	checkpointed atomic.Int64 // when, in nanoseconds
	witnessed    atomic.Bool  // once at least
	rewritten    atomic.Bool  // a witness said so
}

var errClosed = fmt.Errorf("audit: %w", os.ErrClosed)

// Open is OpenWith for who only appends.
func Open(path string, now func() time.Time) (*Log, error) {
	return OpenWith(path, Options{Now: now})
}

// OpenWith appends to the file at path, which is created with mode 0600, and
// continues the chain that stands there, or in the file that was last moved
// away from there.
func OpenWith(path string, o Options) (*Log, error) {
	l := newLog(o)
	shared, err := openShared(path, o, &l.at)
	if err != nil {
		return nil, fmt.Errorf("audit: %s: %w", path, err)
	}
	l.shared, l.file = shared, shared
	if e := l.cutMeanwhile(); e != nil {
		l.say(*e)
		l.notes = append(l.notes, *e)
	}
	return l, nil
}

// New is NewWith for who only appends.
func New(f File, now func() time.Time) *Log { return NewWith(f, Options{Now: now}) }

// NewWith returns a log that starts a chain in f. It makes no checkpoints, and
// does not rotate.
func NewWith(f File, o Options) *Log {
	o.Gateway = ""
	l := newLog(o)
	l.file = f
	return l
}

func newLog(o Options) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.RefusedLines == 0 {
		o.RefusedLines = refusedOwn
	}
	l := &Log{o: o, now: o.Now, at: firstLink()}
	l.refused.most = o.RefusedLines
	return l
}

// bodies are for lines that are being made.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// Write appends e, filling V, Chain, Seq and Time. With durable it returns
// after the line is on stable storage, otherwise once the system has it; it
// never waits for the sync of another's line. An error means that the line is
// not there: what it tells of must not be done. A later call tries anew.
func (l *Log) Write(e Entry, durable bool) error {
	body, _ := bodies.Get().(*[]byte)
	*body = appendBody((*body)[:0], &e)
	err := l.line(*body)
	bodies.Put(body)
	if err == nil && durable {
		err = l.syncs.after(l.sync)
	}
	return err
}

// sync has stable storage hold every line so far.
func (l *Log) sync() error {
	l.turn.Lock()
	f := l.file
	l.turn.Unlock()
	err := f.Sync()
	if err == nil {
		return nil
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	if f != l.file { // it was synced before another one was begun
		return nil
	}
	err = fmt.Errorf("audit: %w", err)
	l.failed(err, 1)
	return err
}

// Healthy returns why lines cannot be written, or nil. Where the last one could
// not be, it tries.
func (l *Log) Healthy() error {
	l.mu.Lock()
	err := l.err
	l.mu.Unlock()
	if err == nil || errors.Is(err, os.ErrClosed) {
		return err
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	b := &batch{}
	l.put(b)
	return b.err
}

// Await waits as long as a line would that is written now.
func (l *Log) Await() {
	l.turn.Lock()
	defer l.turn.Unlock()
}

// Close writes what waits and closes the file. Later writes fail.
func (l *Log) Close() error {
	err := l.tellAllRefused()
	if l.signs() && !l.isClosed() {
		_, cpErr := l.Checkpoint()
		err = errors.Join(err, cpErr)
	}
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.turn.Lock()
	defer l.turn.Unlock()
	l.flush()
	broken := l.gap != nil
	if !broken {
		err = errors.Join(err, l.file.Sync())
	}
	l.setErr(errClosed)
	if broken { // whoever wrote was told
		err = nil
	}
	return errors.Join(err, l.file.Close())
}

func (l *Log) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

func (l *Log) setErr(err error) {
	l.mu.Lock()
	l.err = err
	l.mu.Unlock()
}
