package audit

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// sharedFile is an audit file that other processes append to as well: a
// command beside a running gateway. Whoever writes takes the file's lock, looks
// whether the file is as it left it, continues behind whatever stands there by
// then, and keeps the lock for the writes of the next moment.
//
// Its exported methods may be called by anyone; ready and what it calls by the
// one whose turn it is.
type sharedFile struct {
	path     string
	now      func() time.Time
	gateway  string // keeps a tree for its checkpoints; empty: none
	lockWait time.Duration
	lease    time.Duration
	regular  bool
	begun    time.Time // of the file, by its first line
	left     *Entry    // why another file than the one that was written last is open; nil: it is the same

	mu       sync.Mutex // guards what follows
	file     *os.File
	lock     *fileLock
	held     bool
	leases   int  // so many have begun
	look     bool // another lease of the same lock has begun: the file may have been moved
	writes   int  // in this lease
	busy     bool // between ready and done
	over     bool // the lease ended meanwhile
	released time.Time
}

// openShared opens the file, or begins it, with at behind its last line.
func openShared(path string, o Options, at *link) (*sharedFile, error) {
	f := &sharedFile{path: path, now: o.Now, gateway: o.Gateway, lockWait: cmp.Or(o.LockWait, lockTimeout), lease: lease}
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
	f.file, f.lock, f.held, f.over = file, f.lockOf(file), false, false
	f.lock.queue = true
	info, err := file.Stat()
	f.regular = err == nil && info.Mode().IsRegular()
}

func (f *sharedFile) lockOf(file *os.File) *fileLock {
	return &fileLock{file: file, wait: f.lockWait, command: f.gateway == ""}
}

// acquire takes the lock for a lease.
func (f *sharedFile) acquire() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if pause := turn - time.Since(f.released); pause > 0 && f.lock.open() {
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

// hold begins a lease.
func (f *sharedFile) hold() {
	f.leases++
	f.held, f.over, f.look, f.writes = true, false, false, 0
	n := f.leases
	time.AfterFunc(f.lease, func() { f.release(n) })
}

// release ends that lease.
func (f *sharedFile) release(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.held || f.leases != n:
	case f.busy:
		f.over = true
	default:
		f.endLease()
	}
}

// endLease lets others write. Where nobody wants to and this process goes on, it
// begins another lease without giving the lock back, so that a busy gateway that is
// alone makes no more calls of the system than this look. If giving back should fail,
// others wait until this process ends; what it writes itself stays in order.
func (f *sharedFile) endLease() {
	awaited := f.lock.awaited()
	if f.writes > 1 && !awaited {
		f.hold()
		f.look = true
		return
	}
	if f.lock.release() == nil {
		f.held, f.over, f.released = false, false, time.Now()
		f.lock.queue = f.lock.queue || awaited
	}
}

// done ends what ready began.
func (f *sharedFile) done() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = false
	if f.held && f.over {
		f.endLease()
	}
}

// Write appends to the file.
func (f *sharedFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	file := f.file
	f.writes++
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
