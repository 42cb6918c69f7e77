package snapshot

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/secret"
)

// Folders of a repository.
const (
	dirKeys      = "keys"
	dirSnapshots = "snapshots"
	dirForgotten = "forgotten"
	dirDrills    = "drills"
	dirDocuments = "documents"
	dirWork      = "work"
)

// largest bounds a file that is read at once: the largest blob is smaller.
const largest = 64 << 20

func (r *Repository) path(name string) string { return filepath.Join(r.dir, filepath.FromSlash(name)) }

// open opens a file to read, and nothing that would have its reader wait.
func (r *Repository) open(name string) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(r.path(name), os.O_RDONLY|osfile.NoWait, 0)
	if err != nil {
		return nil, nil, fileError(name, err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = corrupt(name, "it is no regular file")
	}
	if err != nil {
		return nil, nil, errors.Join(fileError(name, err), f.Close())
	}
	return f, info, nil
}

// read reads a small file, named as in the repository.
func (r *Repository) read(name string) ([]byte, error) {
	f, info, err := r.open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	if info.Size() > largest {
		return nil, corrupt(name, "larger than %d bytes", largest)
	}
	b := make([]byte, info.Size())
	if _, err = io.ReadFull(f, b); err != nil {
		return nil, fileError(name, err)
	}
	return b, nil
}

// fileError names the file as in the repository, and not where that is.
func fileError(name string, err error) error {
	if _, ok := errors.AsType[*secret.Error](err); ok {
		return err
	}
	kind := secret.Internal
	if errors.Is(err, fs.ErrNotExist) {
		kind = secret.NotFound
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok { // the first of those that came together
		err = e
	}
	return &secret.Error{Kind: kind, Detail: name, Err: secret.WithoutPath(err)}
}

// work opens a file that is not finished.
func (r *Repository) work() (*os.File, error) {
	name := dirWork + "/" + uuid.NewString()
	f, err := os.OpenFile(r.path(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fileError(name, err)
	}
	return f, nil
}

// publish writes one file, whole or not at all.
func (r *Repository) publish(name string, content []byte) error {
	f, err := r.work()
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return r.finish(f, name, err)
}

// finish gives a written work file its name, or removes it.
func (r *Repository) finish(f *os.File, name string, err error) error {
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), r.path(name))
	}
	if err != nil {
		return errors.Join(fileError(name, err), ignoreMissing(os.Remove(f.Name())))
	}
	return r.syncDir(filepath.Dir(name))
}

// remove is durable once it returns.
func (r *Repository) remove(name string) error {
	if err := os.Remove(r.path(name)); err != nil {
		return fileError(name, err)
	}
	return r.syncDir(filepath.Dir(name))
}

func (r *Repository) syncDir(name string) error {
	if err := osfile.Sync(r.path(name)); err != nil {
		return fileError(name, err)
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// names lists the files of a folder in order. A folder that is not there is
// empty: tools that copy files leave empty ones out.
func (r *Repository) names(dir string) ([]string, error) {
	entries, err := os.ReadDir(r.path(dir))
	if err = ignoreMissing(err); err != nil {
		return nil, fileError(dir, err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all, nil
}

// batch writes many files with one sync. While that lasts, the next ones are
// written.
type batch struct {
	r       *Repository
	pending []pending
	size    int
	folders map[string]bool // that got files which are not synced; of the one who publishes
	coming  chan published  // nil: nobody publishes
}

type pending struct{ work, name string }

// published is how a batch ended: what was not given its name, if anything.
type published struct {
	left []pending
	err  error
}

// A batch is as large as this.
const (
	batchFiles = 512
	batchBytes = 32 << 20
)

// add writes a file, which has its name once settle returned.
func (b *batch) add(name string, content []byte) error {
	f, err := b.r.work()
	if err != nil {
		return err
	}
	b.pending = append(b.pending, pending{f.Name(), name})
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err != nil {
		return fileError(name, err)
	}
	if b.size += len(content); len(b.pending) >= batchFiles || b.size >= batchBytes {
		return b.flush()
	}
	return nil
}

// flush begins to give all files their names, once those before have theirs.
func (b *batch) flush() error {
	if err := b.wait(); err != nil || len(b.pending) == 0 {
		return err
	}
	all, coming := b.pending, make(chan published, 1)
	b.pending, b.size, b.coming = nil, 0, coming
	go func() { coming <- b.publish(all) }()
	return nil
}

// wait until nobody publishes. What was left without a name is pending again.
func (b *batch) wait() error {
	if b.coming == nil {
		return nil
	}
	p := <-b.coming
	b.coming, b.pending = nil, append(p.left, b.pending...)
	return p.err
}

// publish gives files their names, once their content is on stable storage.
func (b *batch) publish(all []pending) published {
	var written []string
	for _, p := range all {
		written = append(written, p.work)
	}
	if err := syncPaths(b.r.dir, written); err != nil {
		return published{all, fileError(dirWork, err)}
	}
	for i, p := range all {
		dir := filepath.Dir(p.name)
		if !b.folders[dir] {
			if err := os.MkdirAll(b.r.path(dir), 0o700); err != nil {
				return published{all[i:], fileError(dir, err)}
			}
			b.folders[dir] = true
		}
		if err := osfile.Rename(p.work, b.r.path(p.name)); err != nil { // os.Rename looks at the new name first
			return published{all[i:], fileError(p.name, err)}
		}
	}
	return published{}
}

// settle has all names on stable storage.
func (b *batch) settle() error {
	err := b.flush()
	if err == nil {
		err = b.wait()
	}
	if err != nil || len(b.folders) == 0 {
		return err
	}
	all := []string{b.r.path(dirDocuments)}
	for dir := range b.folders {
		all = append(all, b.r.path(dir))
	}
	if err := syncPaths(b.r.dir, all); err != nil {
		return fileError(dirDocuments, err)
	}
	return nil
}

// fewFiles are synced each by itself: one sync of the whole file system waits for
// what others write there, too.
const fewFiles = 16

// syncPaths has files and folders on stable storage, many of them with one sync
// where the system can.
func syncPaths(dir string, paths []string) error {
	if syncsAll && len(paths) > fewFiles {
		return syncAll(dir)
	}
	for _, path := range paths {
		if err := osfile.Sync(path); err != nil {
			return err
		}
	}
	return nil
}

// drop removes what has no name.
func (b *batch) drop() error {
	_ = b.wait() // what failed is told already, or is of no use
	var errs []error
	for _, p := range b.pending {
		errs = append(errs, ignoreMissing(os.Remove(p.work)))
	}
	return errors.Join(errs...)
}
