package bolt

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/secret"
)

// escaped is a path as filepath.Glob takes it for itself.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// rekey fills a new file with what the other one holds, under a new data key.
func rekey(ctx context.Context, to, from *database, m *meta, keys backends.KeyWrapper) error {
	old, err := m.sealer(keys)
	if err != nil {
		return err
	}
	next := sealer{key: make([]byte, keySize), store: m.Store}
	_, _ = rand.Read(next.key) // never fails (crypto/rand)
	wrapped, err := keys.WrapKey(next.key)
	if err != nil {
		return fmt.Errorf("wrap the data key: %w", err)
	}
	w := &bulk{db: to}
	if err := w.create(buckets()); err != nil {
		return err
	}
	r := resealer{bulk: w, old: old, next: next}
	err = from.View(func(tx *bbolt.Tx) error {
		if err := known(tx); err != nil {
			return err
		}
		return r.all(ctx, tx)
	})
	if err == nil {
		err = w.begin()
	}
	if err == nil {
		err = (&meta{Format: format, Store: m.Store, Key: wrapped}).write(w.tx)
	}
	return w.end(err)
}

// known refuses a file with a bucket that this release does not know: it would
// be lost.
func known(tx *bbolt.Tx) error {
	return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
		for _, b := range buckets() {
			if bytes.Equal(b, name) {
				return nil
			}
		}
		return secret.Errorf(secret.Unsupported, "the file has a bucket %q, of a later release", name)
	})
}

type resealer struct {
	*bulk
	old, next sealer
}

// sealedBucket is a bucket of sealed records, and what each is bound to.
type sealedBucket struct {
	bucket []byte
	place  func(k []byte) (kind string, name secret.Name, part []byte, err error)
}

// places are all of them. The UID that a value is bound to is in its version's
// attributes, which s opens.
func places(tx *bbolt.Tx, s *Store) []sealedBucket {
	split := func(k []byte) (secret.Name, []byte) {
		name, tail, _ := bytes.Cut(k, []byte{0})
		return secret.Name(name), tail
	}
	head := func(kind string) func(k []byte) (string, secret.Name, []byte, error) {
		return func(k []byte) (string, secret.Name, []byte, error) { return kind, secret.Name(k), nil, nil }
	}
	return []sealedBucket{
		{bucketHeads, head(sealedHead)},
		{bucketTrash, head(sealedTrash)},
		{bucketVersions, func(k []byte) (string, secret.Name, []byte, error) {
			name, ordinal := split(k)
			return sealedVersion, name, ordinal, nil
		}},
		{bucketValues, func(k []byte) (string, secret.Name, []byte, error) {
			name, ordinal := split(k)
			v, err := s.version(tx, name, ordinalOf(ordinal))
			if err != nil {
				return "", "", nil, err
			}
			return sealedValue, name, v.UID[:], nil
		}},
		{bucketNotes, func(k []byte) (string, secret.Name, []byte, error) { return sealedNote, "", k, nil }},
	}
}

func (r *resealer) all(ctx context.Context, tx *bbolt.Tx) error {
	for _, b := range places(tx, &Store{seal: r.old}) {
		if err := r.bucket(ctx, tx, b); err != nil {
			return err
		}
	}
	return each(ctx, tx, bucketUIDs, func(k, v []byte) error { return r.put(bucketUIDs, k, v) })
}

func (r *resealer) bucket(ctx context.Context, tx *bbolt.Tx, b sealedBucket) error {
	return each(ctx, tx, b.bucket, func(k, sealed []byte) error {
		kind, name, part, err := b.place(k)
		if err != nil {
			return err
		}
		plain, err := r.old.open(kind, name, part, sealed)
		if err != nil {
			return err
		}
		again, err := r.next.seal(kind, name, part, plain)
		if err != nil {
			return err
		}
		return r.put(b.bucket, k, again)
	})
}

// each visits the records of a bucket, if it is there.
func each(ctx context.Context, tx *bbolt.Tx, bucket []byte, visit func(k, v []byte) error) error {
	b := tx.Bucket(bucket)
	if b == nil {
		return nil
	}
	return b.ForEach(func(k, v []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return visit(k, v)
	})
}
