package bolt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/internal/bboltcheck"
	"github.com/vaultferry/vaultferry/secret"
)

// Snapshot implements backends.Snapshotter. It is a file like the store's own,
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

// Verify implements backends.Verifier. It reads one state in one go and not
// piece by piece: only so can it tell that records disagree. The file may grow
// meanwhile, as under a Snapshot.
func (s *Store) Verify(ctx context.Context) (*backends.Findings, error) {
	found := &backends.Findings{Damage: []backends.Damage{}}
	err := s.view(ctx, "bolt.examine", "", func(tx *bbolt.Tx) error {
		state, err := bboltcheck.StateOf(tx)
		if err != nil {
			return err
		}
		info, err := s.file.Stat()
		if err != nil {
			return err
		}
		found.Bytes = info.Size()
		return examine(ctx, s.file, state, s.keys, found)
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// VerifyFile looks through a file that no process holds as a store, whatever its
// state.
func VerifyFile(ctx context.Context, path string, keys backends.KeyWrapper) (*backends.Findings, error) {
	return examineAs(ctx, path, path, keys, lockWait)
}

// examineAs calls the file shown in what it says.
func examineAs(ctx context.Context, shown, path string, keys backends.KeyWrapper, wait time.Duration) (*backends.Findings, error) {
	if err := checkKeys(shown, keys); err != nil {
		return nil, err
	}
	f, err := lockFile(path, false, wait)
	if err != nil {
		return nil, fileError(shown, err)
	}
	found, err := examineFile(ctx, f, shown, keys)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return found, nil
}

// examineFile reads a file on which the caller has a lock.
func examineFile(ctx context.Context, f *os.File, shown string, keys backends.KeyWrapper) (*backends.Findings, error) {
	found := &backends.Findings{Damage: []backends.Damage{}}
	info, err := f.Stat()
	if err != nil {
		return nil, fileError(shown, err)
	}
	found.Bytes = info.Size()
	state, err := bboltcheck.ReadState(f, found.Bytes, func(p bboltcheck.Problem) { found.Add("", pageDamage(p)) })
	if err != nil {
		return nil, fileError(shown, err)
	}
	switch err := examine(ctx, f, state, keys, found); {
	case errors.Is(err, errOtherKey):
		return nil, keyError(shown, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, failure("bolt.examine", "", err)
	case err != nil:
		return nil, storeError(shown, err)
	}
	return found, nil
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

// Verify is VerifyFile, and refuses (Corrupt) a file that is not sound. What it
// says calls the file shown.
func Verify(ctx context.Context, shown, path string, keys backends.KeyWrapper) (*backends.Findings, error) {
	found, err := examineAs(ctx, shown, path, keys, lockWait)
	if err != nil {
		return nil, err
	}
	if err := damaged(shown, found); err != nil {
		return nil, err
	}
	return found, nil
}

// damaged refuses to go on from a file that is not sound.
func damaged(path string, found *backends.Findings) error {
	if found.Sound() {
		return nil
	}
	d := found.Damage[0]
	what := d.What
	if d.Name != "" {
		what = fmt.Sprintf("%q: %s", d.Name, what)
	}
	if n := len(found.Damage) + found.Unlisted - 1; n > 0 {
		what += fmt.Sprintf(" (and %d more)", n)
	}
	return &secret.Error{Kind: secret.Corrupt, Op: "bolt.examine", Detail: fmt.Sprintf("%s is damaged: %s", path, what)}
}
