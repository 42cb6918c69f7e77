package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/vaultferry/vaultferry/backup"
	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/inventory"
)

// inventoryFile is an inventory that is being read.
type inventoryFile struct {
	*inventory.Reader
	path string
	file *os.File
	sum  hash.Hash
}

// openInventory reads the header. A file that is not there is wrong usage.
func openInventory(path string, prove inventory.Verifier) (*inventoryFile, error) {
	file, err := osfile.OpenRegular(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, &exitError{exitUsage, err}
	}
	in := &inventoryFile{path: path, file: file, sum: sha256.New()}
	if in.Reader, err = inventory.NewReader(io.TeeReader(file, in.sum), prove); err != nil {
		return nil, errors.Join(in.failed(err), file.Close())
	}
	return in, nil
}

func (f *inventoryFile) failed(err error) error { return fmt.Errorf("%s: %w", f.path, err) }

// Next names the file in its errors.
func (f *inventoryFile) Next() (*inventory.Entry, error) {
	e, err := f.Reader.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = f.failed(err)
	}
	return e, err
}

// index reads the inventory to its end.
func (f *inventoryFile) index() (*inventory.Index, error) {
	x, err := f.Index(f.file)
	if err != nil {
		return nil, f.failed(err)
	}
	return x, nil
}

// digest is the SHA-256 of the file, once it was read to its end.
func (f *inventoryFile) digest() string { return hex.EncodeToString(f.sum.Sum(nil)) }

func (f *inventoryFile) close() error { return f.file.Close() }

// trusted are the keys that may have signed an inventory: those of the keyring, and
// of files such as "keys public --signing" prints.
func trusted(keys *backup.Keyring, files []string) ([]backup.SigningKey, error) {
	all := keys.SigningKeys()
	for _, file := range files {
		theirs, err := readSigningKeys(file)
		if err != nil {
			return nil, err
		}
		all = append(all, theirs...)
	}
	return all, nil
}

// verifierOf is nil where nobody is known who signs.
func verifierOf(keys []backup.SigningKey) inventory.Verifier {
	if len(keys) == 0 {
		return nil
	}
	return func(jws string) ([]byte, error) { return backup.Prove(keys, inventory.Type, jws) }
}

// writeInventory writes an inventory whole or not at all. take reads the store, and
// returns what its lists left out.
func (a *app) writeInventory(file string, force bool, h inventory.Header, keys *backup.Keyring, far *progress, take func(func(*inventory.Entry) error) ([]inventory.LeftOut, error)) (end *inventory.End, err error) {
	h.Begun = a.now().UTC()
	err = writeWhole(file, force, func(out *os.File) error {
		buffered := bufio.NewWriter(out)
		w, err := inventory.NewWriter(buffered, h)
		if err != nil {
			return err
		}
		var leftOut []inventory.LeftOut
		err = a.whileShown(far, func() (err error) {
			leftOut, err = take(func(e *inventory.Entry) error {
				far.step(e.Unread != "")
				return w.Write(e)
			})
			return err
		})
		if err != nil {
			return err
		}
		if end, err = w.Close(a.now(), leftOut, signWith(keys)); err != nil {
			return err
		}
		return buffered.Flush()
	})
	if errors.Is(err, os.ErrExist) {
		err = usagef("%s exists already; --force replaces it", file)
	}
	return end, err
}

// signWith is nil where no key of the keyring signs.
func signWith(keys *backup.Keyring) func([]byte) (string, error) {
	if _, _, ok := keys.Signer(); !ok {
		return nil
	}
	return func(payload []byte) (string, error) { return keys.Sign(inventory.Type, payload) }
}
