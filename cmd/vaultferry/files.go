package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/secret"
)

// maxBlobFile bounds what is read as a backup: the largest blob in the JSON
// of the azure wire.
const maxBlobFile = 64 << 20

// writeFile writes data to a file of mode 0600, whole or not at all. An
// existing file is refused (os.ErrExist) unless force replaces it.
func writeFile(path string, data []byte, force bool) error {
	return writeWhole(path, force, func(f *os.File) error {
		_, err := f.Write(data)
		return err
	})
}

// mustBeNew refuses a file that is there already, for a command that replaces none.
// Empty: none is wanted.
func mustBeNew(file string) error {
	if _, err := os.Lstat(file); file != "" && err == nil {
		return usagef("%s exists already, and is not replaced: name a new file", file)
	}
	return nil
}

// mustBeFree refuses files that are there already, before work is done for them, and
// that --force does not replace. Empty: none is wanted.
func mustBeFree(force bool, files ...string) error {
	for _, file := range files {
		if _, err := os.Lstat(file); file != "" && err == nil && !force {
			return &exitError{exitUsage, existsAlready(file)}
		}
	}
	return nil
}

// writeWhole is writeFile of what fill writes, and leaves the file for others
// to see once fill is done with it.
func writeWhole(path string, force bool, fill func(*os.File) error) (err error) {
	dir := filepath.Dir(path)
	f, err := ownfile.Make(filepath.Join(dir, temporaryFile+rand.Text()))
	if err != nil {
		return aboutFile(err, path)
	}
	defer func() {
		// After a rename the name is gone, which is what is wanted.
		if e := os.Remove(f.Name()); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	if err = fill(f); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return aboutFile(err, path)
	}
	if force {
		err = os.Rename(f.Name(), path)
	} else {
		// A link, unlike a rename, fails where the target exists.
		err = os.Link(f.Name(), path)
	}
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s: %w", path, os.ErrExist)
	}
	if err != nil {
		return aboutFile(err, path)
	}
	return osfile.Sync(dir)
}

// aboutFile has an error of a temporary file name the one that was asked for: the
// temporary name tells nobody anything.
func aboutFile(err error, path string) error {
	if e, ok := errors.AsType[*os.PathError](err); ok && strings.HasPrefix(filepath.Base(e.Path), temporaryFile) {
		return &os.PathError{Op: "write", Path: path, Err: e.Err}
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return &os.PathError{Op: "write", Path: path, Err: e.Err}
	}
	return err
}

// isSameFile reports whether both names lead to one file.
func isSameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, other)
}

// isOfFile reports whether an error is about a file of this machine.
func isOfFile(err error) bool {
	_, ok := errors.AsType[*os.PathError](err)
	return ok
}

// temporaryFile begins the name of a file that is being written.
const temporaryFile = ".vaultferry-"

// maxFileName is what file systems hold, in bytes.
const maxFileName = 255

// backupName is STORE-NAME-UNIXTIME.FRACTION, with what would be a folder
// escaped. Of a name that is too long for a file's, a digest takes the place of
// the end. Two names never share a file: no short one holds a "%~".
func backupName(store, name string, at time.Time) string {
	escaped := strings.NewReplacer("%", "%25", "/", "%2F").Replace(name)
	end := fmt.Sprintf("-%d.%06d", at.Unix(), at.Nanosecond()/1000)
	room := maxFileName - len(store) - len("-") - len(end)
	if len(escaped) > room {
		sum := sha256.Sum256([]byte(name))
		digest := "%~" + hex.EncodeToString(sum[:16])
		escaped = cutEscaped(escaped, room-len(digest)) + digest
	}
	return store + "-" + escaped + end
}

// cutEscaped shortens s to at most n bytes, and cuts neither a character nor an
// escape in two.
func cutEscaped(s string, n int) string {
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	s = s[:n]
	if i := strings.LastIndexByte(s, '%'); i >= 0 && i > n-3 {
		s = s[:i]
	}
	return s
}

// readBlob reads a file, or standard input for "-". Its errors leave it to the
// caller to name that.
func (a *app) readBlob(ctx context.Context, path string) ([]byte, error) {
	if path == "-" {
		return interruptible(ctx, func() ([]byte, error) { return readBounded(a.in) })
	}
	return fromPipe(ctx, func() ([]byte, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, secret.WithoutPath(err)
		}
		defer func() { _ = f.Close() }() // only read
		b, err := readBounded(f)
		return b, secret.WithoutPath(err)
	})
}

func readBounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxBlobFile+1))
	if err == nil && len(b) > maxBlobFile {
		err = fmt.Errorf("larger than %d bytes", maxBlobFile)
	}
	return b, err
}
