package bolt

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/internal/osfile"
	"github.com/vaultferry/vaultferry/secret"
)

// openFile opens the database and reads its meta, making the file first where
// there is none.
func openFile(path string, env backends.Env) (*database, *meta, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		err := create(path, env)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil, openError(secret.Unavailable, nil, "%s: the folder of the file does not exist", path)
		}
		if err != nil {
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

// create makes the file whole under another name and then links it to its own,
// so that a crash leaves a complete store or none, and two processes that
// create at once end up with one.
func create(path string, env backends.Env) error {
	dir := filepath.Dir(path)
	made, err := emptyFile(path, ".new-*")
	if err != nil {
		return err
	}
	temp := made.Name()
	defer func() { _ = os.Remove(temp) }()
	if err := errors.Join(made.Close(), fill(temp, env)); err != nil {
		return err
	}
	if err := os.Link(temp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return osfile.Sync(dir)
}

func fill(path string, env backends.Env) error {
	m, _, err := newMeta(env.Store, env.Keys)
	if err != nil {
		return err
	}
	db, err := openDB(path, options{wait: lockWait, noLink: true})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.CreateBucket(name); err != nil {
				return err
			}
		}
		return m.write(tx)
	})
	return errors.Join(err, db.Close())
}

// emptyFile makes one beside path, of mode 0600.
func emptyFile(path, suffix string) (*os.File, error) {
	return os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+suffix)
}
