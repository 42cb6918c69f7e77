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
	if why := ownfile.Exposed(f); why != "" {
		return nil, keyringError("%s", why)
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
	if busy, ok := errors.AsType[*ownfile.UnderWayError](cause); ok {
		cause = keyringError("%s", busy)
	}
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
func (k *Keyring) Create(path string) error { return CreateFile(path, k.Reveal) }

// CreateFile is Create for a file that holds a keyring in another form: what
// content returns, which is asked once the name is known to be free.
func CreateFile(path string, content func() ([]byte, error)) error {
	_, err := os.Lstat(path)
	if err == nil {
		err = os.ErrExist
	}
	if errors.Is(err, os.ErrNotExist) {
		err = ownfile.Publish(path, content, ownfile.Create)
	}
	if err != nil {
		return fileError(path, err)
	}
	return nil
}

// EditFile replaces the keyring in a file by what edit makes of it, as
// ReplaceFile does.
func EditFile(path string, edit func(*Keyring) (*Keyring, error)) error {
	return ReplaceFile(path, func(target string) ([]byte, error) {
		k, err := LoadKeyring(target)
		if err != nil {
			return nil, err
		}
		if k, err = edit(k); err != nil {
			return nil, err
		}
		return k.Reveal()
	})
}

// ReplaceFile replaces a keyring's file by what content makes of it, whole or
// not at all, mode 0600, with the owner that it has. Through a symbolic link it
// replaces what that names, which content gets. Of two at a time one fails before
// it has read anything: a key that another edit lost would be lost for good.
func ReplaceFile(path string, content func(target string) ([]byte, error)) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fileError(path, err)
	}
	err = ownfile.Publish(target, func() ([]byte, error) { return content(target) }, os.Rename)
	if errors.Is(err, ownfile.ErrOwner) {
		err = keyringError("%s belongs to another user, who alone can change it", target)
	}
	if err != nil {
		return fileError(path, err)
	}
	return nil
}
