package backup

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

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
	f, err := os.Open(path) //nolint:gosec // the path is the operator's own
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// Windows has no such bits.
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return nil, keyringError("others than its owner can read or write it (mode %04o); chmod 600 it", mode)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyring+1))
	if err == nil && len(b) > maxKeyring {
		err = keyringError("it is larger than %d bytes", maxKeyring)
	}
	return b, err
}

// fileError names the file; the kind is the cause's, or Invalid.
func fileError(path string, cause error) error {
	detail := secret.DetailOf(cause)
	switch {
	case detail != "":
		cause = nil
	case errors.Is(cause, os.ErrNotExist):
		detail = "it does not exist"
	case errors.Is(cause, os.ErrExist):
		detail = "it exists already"
	case errors.Is(cause, os.ErrPermission):
		detail = "permission denied"
	default:
		detail = "it cannot be read or written"
	}
	return &secret.Error{Kind: secret.Invalid, Op: "keyring", Detail: fmt.Sprintf("keyring file %s: %s", path, detail), Err: cause}
}

// Create writes the keyring to a new file of mode 0600, whole or not at all.
// An existing file is never touched.
func (k *Keyring) Create(path string) error {
	return k.write(path, func(temp, path string) error {
		// A link, unlike a rename, fails where the target exists.
		return os.Link(temp, path)
	})
}

// Replace writes the keyring over the file, whole or not at all, mode 0600.
// A symbolic link stays one: the file that it names is replaced.
func (k *Keyring) Replace(path string) error {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fileError(path, err)
	}
	return k.write(target, os.Rename)
}

func (k *Keyring) write(path string, publish func(temp, path string) error) error {
	b, err := k.Reveal()
	if err != nil {
		return err
	}
	if err := writeSynced(path, b, publish); err != nil {
		return fileError(path, err)
	}
	return nil
}

func writeSynced(path string, b []byte, publish func(temp, path string) error) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".keyring-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		// After a rename the name is gone, which is what is wanted.
		if e := os.Remove(f.Name()); e != nil && !errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}()
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := publish(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the path is the operator's own
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
