package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// ready has the lock, with at at the file's end, and returns lines that must
// be written before any other. The lock is kept until done.
func (f *sharedFile) ready(at *link) ([]Entry, error) {
	f.mu.Lock()
	held, look := f.held, f.look
	f.busy, f.look = true, false
	f.mu.Unlock()
	if held && !look {
		return nil, nil
	}
	if !held {
		if err := f.acquire(); err != nil {
			return nil, err
		}
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
