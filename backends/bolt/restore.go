package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/secret"
)

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
		if err := canReplace(path); err != nil {
			return nil, err
		}
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
	var f *os.File
	if stands {
		f, err = workFile(path)
	} else { // nothing is locked: another may be in the making, and may win
		f, err = emptyFile(path, workSuffix)
	}
	if err != nil {
		return "", writeError(path, err)
	}
	if stands {
		err = sameOwner(f, path)
	}
	if err == nil {
		_, err = io.Copy(&contextWriter{ctx, f}, from)
		atStep("copied")
		err = errors.Join(err, f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(writeError(path, err), remove(f.Name()))
	}
	return f.Name(), nil
}

// link gives a file one more name. Unlike a rename it fails where something
// has come to stand there meanwhile.
func link(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return openError(secret.Unavailable, err, "%s cannot be made; nothing was done", to)
	}
	atStep("linked")
	return osfile.Sync(filepath.Dir(to))
}
