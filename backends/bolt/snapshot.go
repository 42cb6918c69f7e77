package bolt

import (
	"context"
	"errors"
	"io"

	"go.etcd.io/bbolt"
)

// Snapshot implements backends.WholeStore. It is a file like the store's own,
// sealed with the same key. Writers go on; the file cannot use again what they
// free until it is done, and so may grow.
func (s *Store) Snapshot(ctx context.Context, w io.Writer) error {
	return s.view(ctx, "bolt.snapshot", "", func(tx *bbolt.Tx) error { return snapshot(ctx, tx, w) })
}

func snapshot(ctx context.Context, tx *bbolt.Tx, w io.Writer) error {
	if _, err := tx.WriteTo(&contextWriter{ctx, w}); err != nil {
		return errors.Join(ctx.Err(), err) // bbolt does not wrap what the writer said
	}
	return nil
}

type contextWriter struct {
	ctx context.Context // of the one call that writes
	w   io.Writer
}

func (w *contextWriter) Write(b []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.w.Write(b)
}

// Snapshot is Store.Snapshot of a file that no process holds as a store.
func Snapshot(ctx context.Context, path string, w io.Writer) (err error) {
	db, err := openDB(path, options{wait: lockWait, readOnly: true})
	if err != nil {
		return fileError(path, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	err = db.View(func(tx *bbolt.Tx) error { return snapshot(ctx, tx, w) })
	if err != nil {
		return failure("bolt.snapshot", "", err)
	}
	return nil
}
