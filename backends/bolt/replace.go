package bolt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/internal/osfile"
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
	return replaceFile(ctx, path, keys, func(to, from *database) error {
		return guarded(func() error { return bbolt.Compact(to.DB, from.DB, commitSize) })
	})
}

// replaceFile puts what write makes of the file at path in its place. It refuses
// one that is damaged.
func replaceFile(ctx context.Context, path string, keys backends.KeyWrapper, write func(to, from *database) error) (before, after *backends.Findings, err error) {
	if err := canReplace(path); err != nil {
		return nil, nil, err
	}
	if err := checkKeys(path, keys); err != nil {
		return nil, nil, err
	}
	path, err = resolved(path)
	if err != nil {
		return nil, nil, err
	}
	from, err := openDB(path, options{wait: lockWait})
	if err != nil {
		return nil, nil, openOrDamage(ctx, path, keys, err)
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	before, err = verifyOpenFile(ctx, from.file, path, keys)
	if err == nil {
		err = refuseDamaged(path, before)
	}
	if err != nil {
		return nil, nil, err
	}
	made, err := workFile(path)
	if err != nil {
		return nil, nil, writeError(path, err)
	}
	temp := made.Name()
	defer func() { err = errors.Join(err, remove(temp)) }()
	if err := errors.Join(sameOwner(made, path), made.Close()); err != nil {
		return nil, nil, err
	}
	if after, err = writeNew(ctx, temp, path, from, keys, write); err != nil {
		return nil, nil, err
	}
	if !sameContent(before, after) {
		return nil, nil, openError(secret.Internal, nil, "%s: the new file does not hold what the old one does; the old one stands", path)
	}
	atStep("checked")
	return before, after, publish(temp, path)
}

func resolved(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fileError(path, err)
	}
	return real, nil
}

// writeNew fills temp, which is empty and is to take the place of path, brings it
// to stable storage and looks through it.
func writeNew(ctx context.Context, temp, path string, from *database, keys backends.KeyWrapper, write func(to, from *database) error) (*backends.Findings, error) {
	to, err := openDB(temp, options{wait: lockWait, noSync: true, noLink: true})
	if err != nil {
		return nil, writeError(path, err)
	}
	if err = write(to, from); err == nil {
		atStep("copied")
		err = to.Sync()
	}
	if err := errors.Join(err, to.Close()); err != nil {
		return nil, writeError(path, err)
	}
	atStep("written")
	return verifyFileAs(ctx, "the new file", temp, keys)
}

// canReplace refuses where the system does not do it.
func canReplace(path string) error {
	if osfile.Replaces {
		return nil
	}
	return openError(secret.Unsupported, nil, "%s: this system lets nobody replace a file that is open; do it on Linux or macOS", path)
}

// sameOwner gives temp, which is to take the place of path, the owner, group and
// mode of that: whoever could open it still can, and nobody else. It takes the open
// file: the name may lead elsewhere by now.
func sameOwner(temp *os.File, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fileError(path, err)
	}
	mode := info.Mode().Perm()
	if uid, gid, ok := osfile.Owner(info); ok {
		if err := temp.Chown(uid, -1); err != nil {
			return openError(secret.Unavailable, err, "%s belongs to another user, who alone can replace it; nothing was done", path)
		}
		if err := temp.Chown(-1, gid); err != nil {
			mode &^= 0o070 // of a group that the owner is not in
		}
	}
	if err := temp.Chmod(mode); err != nil {
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

// publish gives a finished file its name, in the place of the one that has it.
func publish(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return writeError(path, err)
	}
	atStep("renamed")
	if err := osfile.Sync(filepath.Dir(path)); err != nil {
		return openError(secret.Unknown, err, "%s was replaced; that it is so after a loss of power is not known", path)
	}
	return nil
}

// workFile makes an empty file beside path, after what crashes left is gone.
func workFile(path string) (*os.File, error) {
	escaped := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace
	left, err := filepath.Glob(filepath.Join(escaped(filepath.Dir(path)), "."+escaped(filepath.Base(path))+workSuffix))
	if err != nil {
		return nil, err
	}
	for _, l := range left {
		if err := remove(l); err != nil {
			return nil, err
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
