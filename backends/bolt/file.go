package bolt

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// lockWait leaves the rest of two seconds to whoever reports the failure.
const lockWait = 1500 * time.Millisecond

// A larger file than mapSize is mapped anew when it grows, which copies all of
// the transaction that makes it grow and waits for every reader. One of those
// can be a backup that goes to a slow disk. The size is one of addresses, not of
// memory.
const mapSize = 64 << 20 << (bits.UintSize / 64 * 8) // 16 GiB; 64 MiB where addresses are scarce

// growth is what the file gains at a time.
const growth = 1 << 20

// format is the version of everything in the file. A file of another one is
// refused: it would be misread, as one whose names are free that are not.
const format = 1

// meta is the one record in clear. Store is the store's name when the file was
// made: a store that is renamed later keeps it as what its records are bound to.
type meta struct {
	Format int    `json:"format"`
	Store  string `json:"store"`
	Key    []byte `json:"key"` // the data key, wrapped
}

var keyMeta = []byte("meta")

// ErrHeld is the cause where another process has the file open.
var ErrHeld = errors.New("the file is locked")

// openFile opens the database and reads its meta, making the file first where
// there is none.
func openFile(path string, env backends.Env) (*database, *meta, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(path, env); err != nil {
			return nil, nil, openError(secret.Unavailable, err, "%s: the file cannot be made", path)
		}
	case err == nil && info.Size() == 0: // bbolt would take it for its own
		return nil, nil, openError(secret.Invalid, nil, "%s: the file is empty", path)
	}
	db, err := openDB(path, options{wait: lockWait})
	if err != nil {
		return nil, nil, fileError(path, err)
	}
	var m *meta
	err = db.View(func(tx *bbolt.Tx) (err error) {
		m, err = readMeta(tx)
		return err
	})
	if err != nil {
		_ = db.Close()
		return nil, nil, storeError(path, err)
	}
	return db, m, nil
}

func (m *meta) write(tx *bbolt.Tx) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return tx.Bucket(bucketMeta).Put(keyMeta, b)
}

// create makes the file whole under another name and then links it to its own,
// so that a crash leaves a complete store or none, and two processes that
// create at once end up with one.
func create(path string, env backends.Env) error {
	dir := filepath.Dir(path)
	temp, err := emptyFile(path, ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp) }()
	if err := fill(temp, env); err != nil {
		return err
	}
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func fill(path string, env backends.Env) error {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	wrapped, err := env.Keys.WrapKey(key)
	if err != nil {
		return fmt.Errorf("wrap the data key: %w", err)
	}
	db, err := openDB(path, options{wait: lockWait})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return (&meta{Format: format, Store: env.Store, Key: wrapped}).write(tx)
	})
	return errors.Join(err, db.Close())
}

// emptyFile makes one beside path, of mode 0600.
func emptyFile(path, suffix string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+suffix)
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readMeta(tx *bbolt.Tx) (*meta, error) {
	b := tx.Bucket(bucketMeta)
	if b == nil {
		return nil, errNoMeta
	}
	m, err := parseMeta(b.Get(keyMeta))
	if err != nil {
		return nil, err
	}
	for _, name := range buckets() {
		if tx.Bucket(name) == nil {
			return nil, fmt.Errorf("there is no bucket %q", name)
		}
	}
	return m, nil
}

func parseMeta(b []byte) (*meta, error) {
	m := new(meta)
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("meta record: %w", err)
	}
	if m.Format != format {
		return nil, &formatError{m.Format}
	}
	return m, nil
}

// formatError is of a file that another release wrote, in a format of its own.
type formatError struct{ format int }

func (e *formatError) Error() string {
	return fmt.Sprintf(`the file has format %d, and this release reads format %d alone; start the release that wrote it, `+
		`or move its secrets: "vaultferry backup" with that release, then "vaultferry restore" into a new store`, e.format, format)
}

// errOtherKey: the keyring is not the one that the file was made with.
var errOtherKey = errors.New("the keyring does not open this file; it was made with another one")

// sealer opens the data key.
func (m *meta) sealer(keys backends.KeyWrapper) (sealer, error) {
	key, err := keys.UnwrapKey(m.Key)
	if err == nil && len(key) != keySize {
		err = fmt.Errorf("the data key has %d bytes", len(key))
	}
	if err != nil {
		return sealer{}, fmt.Errorf("%w: %w", errOtherKey, err)
	}
	return sealer{key: key, store: m.Store}, nil
}
