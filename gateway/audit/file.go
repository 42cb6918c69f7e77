package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"
)

// link is where a chain stands: behind the line with this sum and number.
type link struct {
	sum  [sha256.Size]byte
	seq  uint64
	size int64 // of the file, as far as this process has read or written it
}

func firstLink() link { return link{sum: sha256.Sum256(nil)} }

func (l *link) hex() string { return hex.EncodeToString(l.sum[:]) }

func (l *link) follow(line []byte) {
	l.sum = sha256.Sum256(line)
	l.seq++
	l.size += int64(len(line)) + 1
}

// sharedFile is an audit file that other processes append to as well: a
// command beside a running gateway. Whoever writes takes the file's lock,
// continues behind whatever stands there by then, and keeps the lock for the
// writes of the next moment.
type sharedFile struct {
	*os.File
	mu   sync.Mutex
	held bool
}

// lease is how long a writer keeps the lock, and others wait at most.
const lease = 100 * time.Millisecond

func openShared(path string) (*sharedFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &sharedFile{File: f}, nil
}

// exclusively runs write under the file's lock, with at at the file's end.
func (f *sharedFile) exclusively(at *link, write func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.held {
		if err := f.flock(syscall.LOCK_EX); err != nil {
			return err
		}
		f.held = true
		time.AfterFunc(lease, f.release)
		if err := f.catchUp(at); err != nil {
			return err
		}
	}
	return write()
}

// release lets others write. If it should fail, they wait until this process
// ends; what it writes itself stays in order.
func (f *sharedFile) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.held && f.flock(syscall.LOCK_UN) == nil {
		f.held = false
	}
}

// Close releases the lock with the file.
func (f *sharedFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = false
	return f.File.Close()
}

func (f *sharedFile) flock(how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// tail bounds how much of the end of a file is read for its last lines.
const tail = 1 << 20

// catchUp moves at behind the last line, if others wrote since. A line that a
// crash cut short is ended with a newline and chained over as it stands:
// nothing is removed.
func (f *sharedFile) catchUp(at *link) error {
	info, err := f.Stat()
	if err != nil || info.Size() == at.size {
		return err
	}
	buf := make([]byte, min(info.Size(), tail))
	if _, err := f.ReadAt(buf, info.Size()-int64(len(buf))); err != nil {
		return err
	}
	size := info.Size()
	if len(buf) > 0 && buf[len(buf)-1] != '\n' {
		if _, err := f.WriteString("\n"); err != nil {
			return err
		}
		buf, size = append(buf, '\n'), size+1
	}
	lines := bytes.Split(bytes.TrimSuffix(buf, []byte("\n")), []byte("\n"))
	seq, ok := lastSeq(lines)
	if !ok {
		return errors.New("the file holds no audit line")
	}
	*at = link{sum: sha256.Sum256(lines[len(lines)-1]), seq: seq, size: size}
	return nil
}

// lastSeq numbers the last line, counting torn ones behind the last whole one.
func lastSeq(lines [][]byte) (uint64, bool) {
	for i := len(lines) - 1; i >= 0; i-- {
		var e struct {
			Seq uint64 `json:"seq"`
		}
		if json.Unmarshal(lines[i], &e) == nil && e.Seq > 0 {
			return e.Seq + uint64(len(lines)-1-i), true
		}
	}
	return 0, false
}
