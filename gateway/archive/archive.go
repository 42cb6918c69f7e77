// Package archive keeps sealed documents in a folder, so that what a store
// could not hold stays reachable. A file in it is an ordinary blob of the
// whole document, which any restore takes.
package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/secret"
)

// Dir is a folder of blobs. The empty Dir is none.
type Dir string

// maxName bounds the part of a file's name that is the secret's.
const maxName = 128

// Path is where Keep puts a blob of that secret for that store:
// STORE-NAME-DIGEST. What would be a folder is escaped; a long name is cut.
// The digest is the blob's, so the same blob has the same place.
func (d Dir) Path(store string, name secret.Name, blob []byte) string {
	s := strings.NewReplacer("%", "%25", "/", "%2F", `\`, "%5C").Replace(string(name))
	for len(s) > maxName || !utf8.ValidString(s) {
		s = s[:min(len(s)-1, maxName)]
	}
	sum := sha256.Sum256(blob)
	return filepath.Join(string(d), fmt.Sprintf("%s-%s-%s", store, s, hex.EncodeToString(sum[:16])))
}

// Keep makes sure that the blob is at its Path, whole and on stable storage,
// mode 0600. It makes the folder, mode 0700, where its parent is there. A file
// that is there already is never changed: it is the same blob, or an error.
// Nothing here ever removes one.
func (d Dir) Keep(path string, blob []byte) error {
	if err := d.create(); err != nil {
		return err
	}
	if _, err := os.Lstat(path); err != nil {
		if err := d.write(path, blob); err != nil {
			return err
		}
	}
	there, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, blob) {
		return fmt.Errorf("%s holds something else", path)
	}
	return osfile.Sync(string(d))
}

func (d Dir) create() error {
	err := os.Mkdir(string(d), 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return osfile.Sync(filepath.Dir(string(d)))
}

// write publishes the blob whole or not at all. Another writer of the same
// blob may come first: then its file stands.
func (d Dir) write(path string, blob []byte) (err error) {
	f, err := os.CreateTemp(string(d), ".vaultferry-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(blob)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err = os.Link(f.Name(), path); errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}
