package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// A file is replaced in whole: the new one is made beside it under another
// name, brought to stable storage, read once more and found to hold the same,
// and takes the name in one step. Whenever that ends, the old or the new stands whole.
// The old one stays locked until then, and openDB refuses it afterwards.

// workSuffix is of files in the making. What a crash leaves of one is removed
// by the next that replaces the same store.
const workSuffix = ".work-*"

// commitSize bounds a transaction of a new file. It bounds memory.
const commitSize = 16 << 20

// atStep is where tests stop the program.
var atStep = func(string) {}

// Compact writes the file anew without its free pages, in which lies what was
// purged or replaced: sealed, but there.
func Compact(ctx context.Context, path string, keys backends.KeyWrapper) (before, after *backends.Findings, err error) {
	return renew(ctx, path, keys, func(to, from *database, _ *meta) error {
		return bbolt.Compact(to.DB, from.DB, commitSize)
	})
}

// Rekey writes the file anew with a new data key, wrapped by the key of the
// keyring that seals now. Of the old keys none opens anything in it.
func Rekey(ctx context.Context, path string, keys backends.KeyWrapper) (before, after *backends.Findings, err error) {
	return renew(ctx, path, keys, func(to, from *database, m *meta) error {
		return rekey(ctx, to, from, m, keys)
	})
}

// renewal replaces the file at path by what write makes of it.
type renewal struct {
	path  string
	keys  backends.KeyWrapper
	write func(to, from *database, m *meta) error
}

// renew replaces a file in which nothing is damaged.
func renew(ctx context.Context, path string, keys backends.KeyWrapper, write func(to, from *database, m *meta) error) (before, after *backends.Findings, err error) {
	if err := checkKeys(path, keys); err != nil {
		return nil, nil, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, nil, fileError(path, err)
	}
	from, err := openDB(real, options{wait: lockWait})
	if err != nil {
		return nil, nil, openOrDamage(ctx, real, keys, err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	before, err = examineFile(ctx, from.file, real, keys)
	if err == nil {
		err = damaged(real, before)
	}
	if err != nil {
		return nil, nil, err
	}
	after, err = (&renewal{real, keys, write}).run(ctx, from, before)
	return before, after, err
}

// run replaces the file that the caller has open and looked through.
func (r *renewal) run(ctx context.Context, from *database, before *backends.Findings) (after *backends.Findings, err error) {
	temp, err := workFile(r.path)
	if err != nil {
		return nil, writeError(r.path, err)
	}
	defer func() { err = errors.Join(err, remove(temp)) }()
	if err := sameOwner(temp, r.path); err != nil {
		return nil, err
	}
	if err := writeNew(temp, from, r.write); err != nil {
		return nil, writeError(r.path, err)
	}
	atStep("written")
	if after, err = examineAs(ctx, "the new file", temp, r.keys, lockWait); err != nil {
		return nil, err
	}
	if !sameContent(before, after) {
		return nil, openError(secret.Internal, nil, "%s: the new file does not hold what the old one does; the old one stands", r.path)
	}
	atStep("checked")
	return after, publish(temp, r.path)
}

// sameOwner gives temp, which is to take the place of path, the owner, group and
// mode of that: whoever could open it still can, and nobody else.
func sameOwner(temp, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fileError(path, err)
	}
	mode := info.Mode().Perm()
	if have, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := os.Chown(temp, int(have.Uid), -1); err != nil {
			return openError(secret.Unavailable, err, "%s belongs to another user, who alone can replace it; nothing was done", path)
		}
		if err := os.Chown(temp, -1, int(have.Gid)); err != nil {
			mode &^= 0o070 // of a group that the owner is not in
		}
	}
	if err := os.Chmod(temp, mode); err != nil {
		return writeError(path, err)
	}
	return nil
}

// openOrDamage says of a file that bbolt cannot open what is wrong with it.
func openOrDamage(ctx context.Context, path string, keys backends.KeyWrapper, opened error) error {
	if !errors.Is(opened, ErrHeld) {
		if _, err := Verify(ctx, path, path, keys); err != nil {
			return err
		}
	}
	return fileError(path, opened)
}

// sameContent reports whether two files hold as much, and nothing is damaged in
// the new one.
func sameContent(before, after *backends.Findings) bool {
	counts := func(f *backends.Findings) [4]int { return [4]int{f.Secrets, f.Deleted, f.Versions, f.Records} }
	return counts(before) == counts(after) && after.Sound()
}

// writeNew fills temp, which is empty, and brings it to stable storage.
func writeNew(temp string, from *database, write func(to, from *database, m *meta) error) error {
	to, err := openDB(temp, options{wait: lockWait, noSync: true})
	if err != nil {
		return err
	}
	err = from.View(func(tx *bbolt.Tx) error {
		m, err := readMeta(tx)
		if err != nil {
			return err
		}
		return write(to, from, m)
	})
	if err == nil {
		atStep("copied")
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// publish gives a finished file its name, in the place of the one that has it.
func publish(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return writeError(path, err)
	}
	atStep("renamed")
	if err := syncDir(filepath.Dir(path)); err != nil {
		return openError(secret.Unknown, err, "%s was replaced; that it is so after a loss of power is not known", path)
	}
	return nil
}

// workFile makes an empty file beside path, after what crashes left is gone.
func workFile(path string) (string, error) {
	left, err := filepath.Glob(filepath.Join(escaped(filepath.Dir(path)), "."+escaped(filepath.Base(path))+workSuffix))
	if err != nil {
		return "", err
	}
	for _, l := range left {
		if err := remove(l); err != nil {
			return "", err
		}
	}
	return emptyFile(path, workSuffix)
}

// remove is content where there is nothing: after a rename the name is gone.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func writeError(path string, err error) error {
	if known := (*secret.Error)(nil); errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return failure("bolt.open", "", err)
	}
	return openError(secret.Unavailable, err, "%s: the new file cannot be written; the old one stands", path)
}

// Restored is what a Restore did.
type Restored struct {
	Findings *backends.Findings
	Old      string // where the file that stood there is now
}

// Restore says what is to stand in the place of a store.
type Restore struct {
	From    string // a file that Snapshot wrote
	MadeAs  string // the store's name when that was made
	Keys    backends.KeyWrapper
	Replace bool      // a store that stands; it is kept under another name
	Now     time.Time // which is in that name
	DryRun  bool      // nothing is written
}

// Into puts the file at path, where no process has the store open.
func (r *Restore) Into(ctx context.Context, path string) (out *Restored, err error) {
	if err := checkKeys(path, r.Keys); err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	release, stands, err := r.lock(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	out = &Restored{}
	if stands {
		out.Old = fmt.Sprintf("%s.%s.old", path, r.Now.UTC().Format("20060102T150405.000Z"))
	}
	if r.DryRun {
		out.Findings, err = r.check(ctx, r.From)
		return out, err
	}
	temp, err := r.copy(ctx, path, stands)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove(temp)) }()
	atStep("written")
	if out.Findings, err = r.check(ctx, temp); err != nil {
		return nil, err
	}
	atStep("checked")
	if !stands {
		return out, link(temp, path)
	}
	if err := link(path, out.Old); err != nil {
		return nil, err
	}
	atStep("kept")
	return out, publish(temp, path)
}

// check refuses what is not whole, or is another store.
func (r *Restore) check(ctx context.Context, path string) (*backends.Findings, error) {
	found, err := Verify(ctx, r.From, path, r.Keys)
	if err != nil {
		return nil, err
	}
	if found.MadeAs != r.MadeAs {
		return nil, openError(secret.Invalid, nil, "%s was made as store %q, not %q", r.From, found.MadeAs, r.MadeAs)
	}
	return found, nil
}

// lock takes the store that stands at path, if one does.
func (r *Restore) lock(path string) (release func() error, stands bool, err error) {
	f, err := lockFile(path, true, lockWait)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return func() error { return nil }, false, nil
	case err != nil:
		return nil, false, fileError(path, err)
	case !r.Replace:
		return nil, true, errors.Join(openError(secret.AlreadyExists, nil, "%s exists already", path), f.Close())
	}
	return f.Close, true, nil
}

// copy makes a file of what is to be restored beside path.
func (r *Restore) copy(ctx context.Context, path string, stands bool) (temp string, err error) {
	from, err := lockFile(r.From, false, lockWait)
	if err != nil {
		return "", fileError(r.From, err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	if stands {
		if temp, err = workFile(path); err == nil {
			if err := sameOwner(temp, path); err != nil {
				return "", errors.Join(err, remove(temp))
			}
		}
	} else { // nothing is locked: another may be in the making, and may win
		temp, err = emptyFile(path, workSuffix)
	}
	if err != nil {
		return "", writeError(path, err)
	}
	f, err := os.OpenFile(temp, os.O_WRONLY, 0)
	if err == nil {
		_, err = io.Copy(&contextWriter{ctx, f}, from)
		atStep("copied")
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return "", errors.Join(writeError(path, err), remove(temp))
	}
	return temp, nil
}

// link gives a file one more name. Unlike a rename it fails where something
// has come to stand there meanwhile.
func link(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return openError(secret.Unavailable, err, "%s cannot be made; nothing was done", to)
	}
	atStep("linked")
	return syncDir(filepath.Dir(to))
}
