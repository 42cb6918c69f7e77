package ownfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/vaultferry/vaultferry/internal/osfile"
)

// UnderWayError is that of Publish where another one is at work on the file.
type UnderWayError struct{ Lock string }

func (e *UnderWayError) Error() string {
	return "another edit is under way; if none is, one was interrupted: remove " + e.Lock
}

// Create is what Publish does with a file that must not be there yet.
func Create(temp, path string) error {
	if err := os.Link(temp, path); err != nil { // unlike a rename it fails where path exists
		return err
	}
	return os.Remove(temp)
}

// Publish writes what content returns beside path, mode 0600, with the owner of the
// file that is there, if one is, and moves it there, whole or not at all. Where
// that owner alone can, it fails with ErrOwner. The file beside it, of a fixed name, is the lock: of two
// at a time one fails, before its content is asked for. move frees that name.
func Publish(path string, content func() ([]byte, error), move func(temp, path string) error) error {
	temp := path + ".new"
	f, err := Make(temp)
	if errors.Is(err, os.ErrExist) {
		return &UnderWayError{temp}
	}
	if err != nil {
		return err
	}
	err = errors.Join(fill(f, path, content), f.Close())
	if err == nil {
		err = move(temp, path)
	}
	if err != nil { // else the name is free and may be another edit's already
		return errors.Join(err, os.Remove(temp))
	}
	return osfile.Sync(filepath.Dir(path))
}

func fill(f *os.File, path string, content func() ([]byte, error)) error {
	b, err := content()
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	if err := Give(f, path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return f.Sync()
}
