package bolt

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// Allocated is how many bytes of pages the store's transactions wrote so far.
func Allocated(b backends.Backend) int64 {
	s, ok := b.(*Store)
	if !ok {
		return 0
	}
	stats := s.db.Stats()
	return stats.TxStats.GetPageAlloc()
}

// Keys counts the records in the file.
func Keys(t *testing.T, s *Store) (n int) {
	t.Helper()
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			n += b.Stats().KeyN
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// AtExit does what benchmarks left to do.
func AtExit() {
	for _, f := range atExit {
		f()
	}
}

// AtStep lets a child stop at a step of what replaces a file.
func AtStep(f func(step string)) { atStep = f }

// Damage makes the first value of a secret one that does not open.
func Damage(t *testing.T, path string, name secret.Name) {
	t.Helper()
	db, err := openDB(path, options{wait: lockWait})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		b, k := tx.Bucket(bucketSecrets), valueKey(name, 1)
		v := b.Get(k)
		if v == nil {
			b = tx.Bucket(bucketValues)
			v = b.Get(k)
		}
		bent := bytes.Clone(v)
		bent[len(bent)-1] ^= 1
		return b.Put(k, bent)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// OpensWithKeyOf counts the records of the file at path that the data key of
// the file old opens; nil: that of the file itself.
func OpensWithKeyOf(t *testing.T, path string, keys backends.KeyWrapper, old []byte, oldKeys backends.KeyWrapper) (n int) {
	t.Helper()
	from := path
	if old != nil {
		from = filepath.Join(t.TempDir(), "old.db")
		if err := os.WriteFile(from, old, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := sealerOf(t, from, oldKeys)
	inFile(t, path, func(tx *bbolt.Tx) error {
		r := resealer{tx: tx, old: Store{sealer: sealerOf(t, path, keys)}, next: other.Batch()}
		return r.each(t.Context(), func(bucket, key, _ []byte) error {
			d, name, id, err := r.binding(bucket, key)
			if _, unsealed := other.Unseal(d, name, id, tx.Bucket(bucket).Get(key)); unsealed == nil {
				n++
			}
			return err
		})
	})
	return n
}

func sealerOf(t *testing.T, path string, keys backends.KeyWrapper) (out *sealed.Sealer) {
	t.Helper()
	inFile(t, path, func(tx *bbolt.Tx) error {
		m, err := readMeta(tx)
		if err != nil {
			return err
		}
		out, err = m.unwrapKey(keys)
		return err
	})
	return out
}

func inFile(t *testing.T, path string, f func(tx *bbolt.Tx) error) {
	t.Helper()
	db, err := openDB(path, options{wait: lockWait, readOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.View(f), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// WhileLocked runs f while nobody can open the file at path.
func WhileLocked(t *testing.T, path string, f func()) {
	t.Helper()
	lock, err := lockFile(path, true, 0)
	if err != nil {
		t.Fatal(err)
	}
	f()
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
}
