package backup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/vaultferry/vaultferry/internal/ownfile"
	"github.com/vaultferry/vaultferry/secret"
)

// maxKeyring bounds the file; a set of a thousand RSA keys is smaller.
const maxKeyring = 4 << 20

// LoadKeyring reads a keyring's file, through symbolic links. A file that
// anyone but its owner may read or write is refused (Invalid).
func LoadKeyring(path string) (*Keyring, error) {
	b, err := readPrivate(path)
	if err != nil {
		return nil, fileError(path, err)
	}
	k, err := ParseKeyring(b)
	if err != nil {
		return nil, fileError(path, err)
	}
	return k, nil
}

func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if ownfile.Exposed(info) {
		return nil, keyringError("others than its owner can read or write it (mode %04o); chmod 600 it", info.Mode().Perm())
	}
	if d := ownfile.Look(path); d != nil && d.Sure {
		return nil, keyringError("%s", d.What)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyring+1))
	if err == nil && len(b) > maxKeyring {
		err = keyringError("it is larger than %d bytes", maxKeyring)
	}
	return b, err
}

// fileError names the file; an error of ours, it keeps the kind.
func fileError(path string, cause error) error {
	var ours *secret.Error
	if errors.As(cause, &ours) {
		named := *ours
		if !strings.Contains(named.Detail, path) {
			named.Detail = fmt.Sprintf("keyring file %s: %s", path, named.Detail)
		}
		return &named
	}
	return &secret.Error{Kind: secret.Invalid, Op: "keyring", Detail: "keyring file " + path, Err: secret.WithoutPath(cause)}
}

// Create writes the keyring to a new file of mode 0600, whole or not at all.
// An existing file is never touched.
func (k *Keyring) Create(path string) error {
	err := publish(path, func() (*Keyring, error) { return k, nil }, func(temp, path string) error {
		if err := os.Link(temp, path); err != nil { // unlike a rename it fails where path exists
			return err
		}
		return os.Remove(temp)
	})
	if err != nil {
		return fileError(path, err)
	}
	return nil
}

// EditFile replaces the keyring in a file by what edit makes of it, whole or
// not at all, mode 0600, with the owner that it has. Through a symbolic link it
// replaces what that names. Of two edits at a time one fails before it has read
// anything: a key that another edit lost would be lost for good.
func EditFile(path string, edit func(*Keyring) (*Keyring, error)) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fileError(path, err)
	}
	err = publish(target, func() (*Keyring, error) {
		k, err := LoadKeyring(target)
		if err != nil {
			return nil, err
		}
		return edit(k)
	}, func(temp, path string) error {
		switch err := ownfile.Give(temp, path); {
		case errors.Is(err, ownfile.ErrOwner):
			return keyringError("%s belongs to another user, who alone can change it", path)
		case err != nil:
			return err
		}
		return os.Rename(temp, path)
	})
	if err != nil {
		return fileError(path, err)
	}
	return nil
}

// publish writes what content returns beside path and moves it there. The file
// beside it, of a fixed name, is the lock; move frees that name.
func publish(path string, content func() (*Keyring, error), move func(temp, path string) error) error {
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return keyringError("another edit is under way; if none is, one was interrupted: remove %s", temp)
	}
	if err != nil {
		return err
	}
	err = errors.Join(fill(f, content), f.Close())
	if err == nil {
		err = move(temp, path)
	}
	if err != nil { // else the name is free and may be another edit's already
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(path))
}

func fill(f *os.File, content func() (*Keyring, error)) error {
	k, err := content()
	if err != nil {
		return err
	}
	b, err := k.Reveal()
	if err != nil {
		return err
	}
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
