package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// sharedFile is an audit file that other processes append to as well: a
// command beside a running gateway. Whoever writes takes the file's lock, looks
// whether the file is as it left it, continues behind whatever stands there by
// then, and keeps the lock for the writes of the next moment.
//
// Its exported methods may be called by anyone; ready and what it calls by the
// one whose turn it is.
type sharedFile struct {
	path    string
	now     func() time.Time
	gateway string // keeps a tree for its checkpoints; empty: none
	regular bool
	begun   time.Time // of the file, by its first line
	left    *Entry    // why another file than the one that was written last is open; nil: it is the same

	mu       sync.Mutex // guards what follows
	file     *os.File
	lock     *fileLock
	held     bool
	busy     bool // between ready and done
	over     bool // the lease ended meanwhile
	released time.Time
}

// openShared opens the file, or begins it, with at behind its last line.
func openShared(path string, o Options, at *link) (*sharedFile, error) {
	f := &sharedFile{path: path, now: o.Now, gateway: o.Gateway}
	if f.now == nil {
		f.now = time.Now
	}
	f.busy = true
	defer f.done()
	if err := f.open(at); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// open takes the file at the path, and begins it where there is none, or an
// empty one: behind the one that was moved away from there, or anew.
func (f *sharedFile) open(at *link) error {
	for {
		before := ""
		if info, err := os.Stat(f.path); errors.Is(err, fs.ErrNotExist) || err == nil && info.Mode().IsRegular() && info.Size() == 0 {
			before = newestBeside(f.path)
		}
		flags := os.O_RDWR | os.O_APPEND
		if before == "" {
			flags |= os.O_CREATE
		}
		file, err := os.OpenFile(f.path, flags, 0o600)
		if errors.Is(err, fs.ErrNotExist) && before != "" {
			if file, err = os.OpenFile(before, flags, 0); err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		f.use(file)
		if err := f.acquire(); err != nil {
			return err
		}
		info, err := file.Stat()
		if err != nil {
			return err
		}
		there, err := os.Stat(f.path)
		switch {
		case err == nil && os.SameFile(info, there) && (info.Size() > 0 || before == ""):
			return f.load(at, info.Size())
		case err == nil && os.SameFile(info, there): // it is empty and goes on behind another
			return f.openBehind(before, at)
		case errors.Is(err, fs.ErrNotExist) && before != "":
			if err := f.load(at, info.Size()); err != nil {
				return err
			}
			if err := f.begin(at, Entry{Reason: "the file was moved away", File: filepath.Base(before)}); err != nil && !errors.Is(err, fs.ErrExist) {
				return err
			}
		}
		if err := f.Close(); err != nil { // another process was quicker: once more
			return err
		}
	}
}

// openBehind begins the empty file, which is locked, behind another one.
func (f *sharedFile) openBehind(before string, at *link) error {
	old, err := os.Open(before)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }() // only read
	info, err := old.Stat()
	if err != nil {
		return err
	}
	if err := resume(old, at, info.Size(), true); err != nil {
		return err
	}
	at.size, at.torn, at.last = 0, false, nil
	line := f.beginning(at, Entry{Reason: "the file was moved away", File: filepath.Base(before)})
	if _, err := f.file.Write(line); err != nil {
		return err
	}
	f.followBeginning(at, line)
	return nil
}

func (f *sharedFile) use(file *os.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.file, f.lock, f.held, f.over = file, &fileLock{file: file}, false, false
	info, err := file.Stat()
	f.regular = err == nil && info.Mode().IsRegular()
}

// acquire takes the lock for a lease.
func (f *sharedFile) acquire() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pause := turn - time.Since(f.released); pause > 0 {
		timer := time.NewTimer(pause)
		<-timer.C
	}
	if err := f.lock.take(); err != nil {
		return err
	}
	f.hold()
	return nil
}

// stands: the file at the path is the one that is open, and nothing of it is
// gone.
func (f *sharedFile) stands(size int64) bool {
	f.mu.Lock()
	file, regular := f.file, f.regular
	f.mu.Unlock()
	if !regular {
		return true
	}
	info, err := file.Stat()
	there, thereErr := os.Stat(f.path)
	return err == nil && thereErr == nil && os.SameFile(info, there) && info.Size() >= size
}

// hold has the lock given back when the lease is over.
func (f *sharedFile) hold() {
	f.held, f.over = true, false
	file := f.file
	time.AfterFunc(lease, func() { f.release(file) })
}

// release lets others write. If it should fail, they wait until this process
// ends; what it writes itself stays in order.
func (f *sharedFile) release(file *os.File) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.held || f.file != file:
	case f.busy:
		f.over = true
	default:
		f.giveBack()
	}
}

func (f *sharedFile) giveBack() {
	if f.lock.release() == nil {
		f.held, f.over, f.released = false, false, time.Now()
	}
}

// done ends what ready began.
func (f *sharedFile) done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = false
	if f.held && f.over {
		f.giveBack()
	}
}

// Write appends to the file.
func (f *sharedFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	file := f.file
	f.mu.Unlock()
	return file.Write(b)
}

// Sync has stable storage hold what was written.
func (f *sharedFile) Sync() error {
	f.mu.Lock()
	file, regular := f.file, f.regular
	f.mu.Unlock()
	if !regular { // a device has no stable storage
		return nil
	}
	err := file.Sync()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil && f.file != file { // it was synced before another took its place
		return nil
	}
	return err
}

// Close releases the lock with the file.
func (f *sharedFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = false
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}

// ready has the lock, with at at the file's end, and returns lines that must
// be written before any other. The lock is kept until done.
func (f *sharedFile) ready(at *link) ([]Entry, error) {
	f.mu.Lock()
	held := f.held
	f.busy = true
	f.mu.Unlock()
	if held {
		return nil, nil
	}
	if err := f.acquire(); err != nil {
		return nil, err
	}
	if !f.regular {
		return nil, nil
	}
	notes, err := f.follow(at)
	if err != nil { // the next one looks again
		f.mu.Lock()
		f.over = true
		f.mu.Unlock()
	}
	return notes, err
}

// follow goes on in the file that is at the path, whatever became of the one
// that is open, and locked.
func (f *sharedFile) follow(at *link) ([]Entry, error) {
	for {
		info, err := f.file.Stat()
		if err != nil {
			return nil, err
		}
		there, err := os.Stat(f.path)
		switch {
		case err == nil && os.SameFile(info, there) && f.left == nil:
			return f.compare(at, info.Size())
		case err == nil && os.SameFile(info, there):
			return f.arrive(at, info.Size(), *f.left)
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		if f.left == nil {
			if f.left, err = f.leave(at, info); err != nil {
				return nil, err
			}
		}
		if there == nil {
			notes, err := f.beginAfter(at)
			if !errors.Is(err, fs.ErrExist) {
				return notes, err
			}
		}
		if err := f.reopen(); err != nil {
			return nil, err
		}
	}
}

// compare looks whether the file is as this process left it, but for lines of
// others.
func (f *sharedFile) compare(at *link, size int64) ([]Entry, error) {
	switch {
	case size == 0 && at.size > 0:
		n := at.seq
		at.size, at.torn, at.last = 0, false, nil
		return []Entry{f.beginEntry(at, Entry{Result: Damaged, Reason: fmt.Sprintf("the file was emptied while the gateway wrote to it, as copytruncate does; lines up to %d stood in it", n)})}, nil
	case size < at.size:
		return f.damaged(at, size, fmt.Sprintf("the file was cut short: it held %d bytes and holds %d", at.size, size))
	}
	have := make([]byte, len(at.last))
	end := at.size
	if !at.torn && end > 0 {
		end--
	}
	if _, err := f.file.ReadAt(have, end-int64(len(have))); err != nil {
		return nil, err
	}
	if !bytes.Equal(have, at.last) {
		return f.damaged(at, size, "the last line is not the one that the gateway wrote")
	}
	if size == at.size {
		return nil, nil
	}
	return nil, resume(f.file, at, size, false)
}

// damaged has the chain go on from what this process knows, so that the break
// shows for ever.
func (f *sharedFile) damaged(at *link, size int64, why string) ([]Entry, error) {
	last := make([]byte, 1)
	if size > 0 {
		if _, err := f.file.ReadAt(last, size-1); err != nil {
			return nil, err
		}
	}
	n := at.seq
	at.size, at.torn = size, size > 0 && last[0] != '\n'
	return []Entry{{Phase: Outcome, Op: OpDamage, Result: Damaged, Reason: fmt.Sprintf("%s; line %d was the last", why, n), Tree: at.state()}}, nil
}

// leave reads the last lines of a file that is no longer at its path.
func (f *sharedFile) leave(at *link, info fs.FileInfo) (*Entry, error) {
	if info.Size() > at.size {
		if err := resume(f.file, at, info.Size(), false); err != nil {
			return nil, err
		}
	}
	e := &Entry{Reason: "the file was moved away"}
	if osfile.Links(info) == 0 {
		e = &Entry{Result: Damaged, Reason: fmt.Sprintf("the file was deleted, or another took its place; lines up to %d stood in it", at.seq)}
	}
	stood := treeOf(at, f.file)
	e.Tree = stood.state()
	return e, nil
}

// beginAfter begins a file at the path, where there is none.
func (f *sharedFile) beginAfter(at *link) ([]Entry, error) {
	left := *f.left
	if err := f.begin(at, left); err != nil {
		return nil, err
	}
	f.left = nil
	if left.Result != Damaged {
		return nil, nil
	}
	return []Entry{{Phase: Outcome, Op: OpDamage, Result: Damaged, Reason: left.Reason}}, nil
}

// reopen opens the file that is at the path now, and locks it.
func (f *sharedFile) reopen() error {
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) { // it was moved again
		return nil
	}
	if err != nil {
		return err
	}
	old := f.file
	f.use(file)
	if err := errors.Join(old.Sync(), old.Close()); err != nil {
		return err
	}
	return f.acquire()
}

// arrive goes on in another file than the one that at is of.
func (f *sharedFile) arrive(at *link, size int64, left Entry) ([]Entry, error) {
	f.left = nil
	if size == 0 {
		at.size, at.torn, at.last = 0, false, nil
		return []Entry{f.beginEntry(at, left)}, nil
	}
	first, ok := firstEntry(f.file)
	if ok && first.Op == OpBegin && (first.Seq > at.seq+1 || first.Seq == at.seq+1 && first.Chain == at.hex()) {
		return nil, f.load(at, size)
	}
	at.size, at.last = size, nil
	return f.damaged(at, size, "another file took the place of the audit")
}

// load moves at behind the last line of the file.
func (f *sharedFile) load(at *link, size int64) error {
	*at = firstLink()
	if err := resume(f.file, at, size, f.gateway != ""); err != nil {
		return err
	}
	if size > 0 { // a device has none, and no end
		first, _ := firstEntry(f.file)
		f.begun = first.Time
	}
	return nil
}
