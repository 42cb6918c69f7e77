package audit

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vaultferry/vaultferry/internal/merkle"
	"github.com/vaultferry/vaultferry/internal/osfile"
)

// beginEntry is the first line of a file that goes on behind another.
func (f *sharedFile) beginEntry(at *link, e Entry) Entry {
	e.Phase, e.Op = Outcome, OpBegin
	if e.Tree == nil {
		e.Tree = at.state()
	}
	if e.Result == "" {
		e.Result = OK
	}
	return e
}

func (f *sharedFile) beginning(at *link, e Entry) []byte {
	e = f.beginEntry(at, e)
	return appendBody(appendHead(nil, at, f.now().UTC()), &e)
}

func (f *sharedFile) followBeginning(at *link, line []byte) {
	line = line[:len(line)-1]
	at.follow(line)
	at.keep(line)
	f.begun = f.now()
}

// begin makes another file at the path, whose first line goes on behind at. The
// file that is open is synced and left where it is. It fails with fs.ErrExist
// where another stands there. The lock is held before and after it.
func (f *sharedFile) begin(at *link, e Entry) error {
	return f.replace(at, e, os.Link)
}

// rotate moves the file to a name with the time, and begins another.
func (f *sharedFile) rotate(at *link, why string) (old string, err error) {
	old = f.freeName()
	err = f.replace(at, Entry{Reason: why, File: filepath.Base(old)}, func(temp, path string) error {
		if err := os.Link(path, old); err != nil {
			return err
		}
		return os.Rename(temp, path)
	})
	return old, err
}

// replace writes the first line of another file, locked, under a name that
// nobody looks for, and has publish give it the right one: there is never a
// file without its first line.
func (f *sharedFile) replace(at *link, e Entry, publish func(temp, path string) error) error {
	next := treeOf(at, f.file)
	next.size, next.torn, next.last = 0, false, nil
	file, temp, err := createTemp(f.path)
	if err != nil {
		return err
	}
	line := f.beginning(&next, e)
	lock := f.lockOf(file)
	_, err = file.Write(line)
	if err = errors.Join(err, sameOwner(file, f.file), file.Sync(), lock.take()); err == nil {
		err = errors.Join(f.file.Sync(), publish(temp, f.path))
	}
	if err != nil {
		return errors.Join(err, file.Close(), ignoreMissing(os.Remove(temp)))
	}
	f.mu.Lock()
	old := f.file
	f.file, f.lock = file, lock
	f.hold()
	f.mu.Unlock()
	f.followBeginning(&next, line)
	if f.gateway == "" {
		next.tree = nil
	}
	*at = next
	return errors.Join(old.Close(), ignoreMissing(os.Remove(temp)), osfile.Sync(filepath.Dir(f.path)))
}

// treeOf is where at stands, with a tree of its own: that of the file, where at
// keeps none. A file that begins late and holds none has none.
func treeOf(at *link, file *os.File) link {
	next := *at
	if at.tree != nil {
		next.tree = at.tree.Clone()
		return next
	}
	known := firstLink()
	if at.seq == 0 {
		next.tree = &merkle.Edge{}
	} else if info, err := file.Stat(); err == nil && resume(file, &known, info.Size(), true) == nil {
		next.tree, next.log = known.tree, known.log
	}
	return next
}

// temporary begins the name of a file that is being written.
const temporary = ".vaultferry-audit-"

// abandonedAfter is when nobody writes a temporary file any more: it is what a
// gateway left that was killed.
const abandonedAfter = time.Hour

// removeAbandoned removes what was abandoned beside path. What it cannot remove
// is in nobody's way.
func removeAbandoned(path string, now time.Time) {
	there, _ := os.ReadDir(filepath.Dir(path))
	for _, e := range there {
		info, err := e.Info()
		if strings.HasPrefix(e.Name(), temporary) && err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > abandonedAfter {
			_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
}

// createTemp is os.CreateTemp of a file to append to, mode 0600. It opens it once:
// the name may lead elsewhere later.
func createTemp(path string) (*os.File, string, error) {
	name := filepath.Join(filepath.Dir(path), temporary+rand.Text())
	file, err := os.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	return file, name, err
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// freeName is where the file is moved: audit.jsonl to
// audit-20261130T124048.123Z.jsonl.
func (f *sharedFile) freeName() string {
	ext := filepath.Ext(f.path)
	stem := strings.TrimSuffix(f.path, ext) + "-" + f.now().UTC().Format("20060102T150405.000Z")
	name := stem + ext
	for n := 2; ; n++ {
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s-%d%s", stem, n, ext)
	}
}
