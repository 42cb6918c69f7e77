package bolt

import (
	"bytes"
	"context"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// Rekey writes the file anew with a new data key, wrapped by the key of the
// keyring that seals now. Of the old keys none opens anything in it.
func Rekey(ctx context.Context, path string, keys backends.KeyWrapper) (before, after *backends.Findings, err error) {
	return replaceFile(ctx, path, keys, func(to, from *database) error {
		return from.View(func(tx *bbolt.Tx) error { return rekey(ctx, to, tx, keys) })
	})
}

// rekey fills a new file with what the other one holds, under a new data key.
func rekey(ctx context.Context, to *database, from *bbolt.Tx, keys backends.KeyWrapper) error {
	m, err := readMeta(from)
	if err != nil {
		return err
	}
	old, err := m.unwrapKey(keys)
	if err != nil {
		return err
	}
	m, next, err := newMeta(m.Store, keys)
	if err != nil {
		return err
	}
	if err := refuseUnknown(from); err != nil {
		return err
	}
	w := &bulkWriter{db: to}
	err = w.create(buckets())
	if err == nil {
		err = m.write(w.tx)
	}
	if err == nil {
		r := resealer{tx: from, old: Store{sealer: old}, next: next.Batch()}
		err = guarded(func() error { return r.each(ctx, w.put) }) // within w, which would stay open
	}
	return w.end(err)
}

// refuseUnknown refuses a file with a bucket that this release does not know: it
// would be lost.
func refuseUnknown(tx *bbolt.Tx) error {
	return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
		if slices.ContainsFunc(buckets(), func(b []byte) bool { return bytes.Equal(b, name) }) {
			return nil
		}
		return secret.Errorf(secret.Unsupported, "the file has a bucket %q, of a later release", name)
	})
}

// resealer seals all records of a file under another key.
type resealer struct {
	tx   *bbolt.Tx
	old  Store // its readers alone
	next *sealed.Batch

	name secret.Name // of the last attributes
	uids map[secret.Ordinal]secret.UID
}

// each hands out all records but the meta.
func (r *resealer) each(ctx context.Context, put func(bucket, key, value []byte) error) error {
	for _, bucket := range buckets() {
		if bytes.Equal(bucket, bucketMeta) {
			continue
		}
		err := r.tx.Bucket(bucket).ForEach(func(k, v []byte) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			v, err := r.reseal(bucket, k, v)
			if err != nil {
				return err
			}
			return put(bucket, k, v)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *resealer) reseal(bucket, key, value []byte) ([]byte, error) {
	d, name, id, err := r.binding(bucket, key)
	if err != nil || d == "" {
		return value, err
	}
	plain, err := r.old.sealer.Unseal(d, name, id, value)
	if err == nil && d == sealed.Version {
		err = r.learn(name, ordinalOf(id), plain)
	}
	if err != nil {
		return nil, err
	}
	return r.next.Seal(d, name, id, plain)
}

// binding is what a record is bound to. No domain: it is in clear.
func (r *resealer) binding(bucket, key []byte) (d sealed.Domain, name secret.Name, id []byte, err error) {
	switch {
	case bytes.Equal(bucket, bucketState):
		return sealed.State, "", key, nil
	case bytes.Equal(bucket, bucketTrash):
		return sealed.Trash, secret.Name(key), nil, nil
	case bytes.Equal(bucket, bucketLive):
		return "", "", nil, nil
	}
	switch k, _ := parseRecordKey(key); k.kind {
	case recordHead:
		return sealed.Head, k.name, nil, nil
	case recordAttributes:
		return sealed.Version, k.name, sealed.OrdinalID(k.ordinal), nil
	case recordValue:
		uid, err := r.uid(k.name, k.ordinal)
		return sealed.Value, k.name, uid[:], err
	case recordUID, recordListed:
	}
	return "", "", nil, nil
}

// learn keeps the UID of a version: the values of its secret come next.
func (r *resealer) learn(name secret.Name, o secret.Ordinal, plain []byte) error {
	v, err := sealed.DecodeVersion(o, plain)
	if err != nil {
		return err
	}
	if name != r.name {
		r.name, r.uids = name, map[secret.Ordinal]secret.UID{}
	}
	r.uids[o] = v.UID
	return nil
}

// uid looks up the version of a value that lies in a bucket of its own.
func (r *resealer) uid(name secret.Name, o secret.Ordinal) (secret.UID, error) {
	if uid, ok := r.uids[o]; ok && name == r.name {
		return uid, nil
	}
	v, err := r.old.readVersion(r.tx, name, o)
	if err != nil {
		return secret.UID{}, err
	}
	return v.UID, nil
}
