package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/secret"
)

// record is one sealed record, or an entry of the index of UIDs, and where it is
// kept. A note has no place.
type record struct {
	bucket, key []byte
	place       place
	value       []byte
}

// contents visits all records of secrets in a file: name by name, and in the
// order of their keys, so that the attributes of a version come
// before what needs its UID. It refuses keys that do not ascend: on damaged pages
// bbolt can turn in circles.
func contents(ctx context.Context, tx *bbolt.Tx, visit func(record) error) error {
	var from []*reader
	for _, s := range sources() {
		r := &reader{source: s, c: tx.Bucket(s.bucket).Cursor()}
		if err := r.take(r.c.First()); err != nil {
			return err
		}
		from = append(from, r)
	}
	for {
		name := first(from)
		if name == "" {
			return nil
		}
		var of []record
		for _, r := range from {
			more, err := r.all(ctx, name)
			if err != nil {
				return err
			}
			of = append(of, more...)
		}
		slices.SortStableFunc(of, func(a, b record) int { return bytes.Compare(a.key, b.key) })
		for _, r := range of {
			if err := visit(r); err != nil {
				return err
			}
		}
	}
}

// reader goes through one source.
type reader struct {
	source
	c     *bbolt.Cursor
	at    place // no name: the end
	key   []byte
	value []byte
}

// first is the least name that a reader is at.
func first(of []*reader) (name secret.Name) {
	for _, r := range of {
		if r.at.name != "" && (name == "" || r.at.name < name) {
			name = r.at.name
		}
	}
	return name
}

func (r *reader) take(k, v []byte) error {
	last := r.key
	if r.at, r.key, r.value = (place{}), k, v; k == nil {
		return nil
	}
	if r.at = r.parse(k); r.at.name == "" || bytes.Compare(k, last) <= 0 {
		return fmt.Errorf("%s: a key is none, or out of order", r.bucket)
	}
	return nil
}

// all are the records of the name, if the reader is at them.
func (r *reader) all(ctx context.Context, name secret.Name) (out []record, err error) {
	for r.at.name == name {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out = append(out, r.kept(r.at, r.value))
		if err := r.take(r.c.Next()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// rewrite fills a new file with what the other one holds, each
// record as change has it. It returns before the meta is written.
func rewrite(ctx context.Context, to *bulk, from *database, change func(record) ([]byte, error)) error {
	if err := to.create(buckets()); err != nil {
		return err
	}
	move := func(r record) error {
		v, err := change(r)
		if err != nil {
			return err
		}
		if r.place.part == partHead && bytes.Equal(r.bucket, bucketSecrets) {
			if err := to.put(bucketLive, []byte(r.place.name), []byte{}); err != nil {
				return err
			}
		}
		return to.put(r.bucket, r.key, v)
	}
	return guarded(func() error {
		return from.View(func(tx *bbolt.Tx) error {
			err := known(tx)
			if err == nil {
				err = contents(ctx, tx, move)
			}
			if err != nil {
				return err
			}
			return tx.Bucket(bucketNotes).ForEach(func(k, v []byte) error {
				return errors.Join(ctx.Err(), move(record{bucket: bucketNotes, key: k, value: v}))
			})
		})
	})
}

// finish writes the meta and commits, or takes back what is not committed.
func finish(to *bulk, m *meta, err error) error {
	if err == nil {
		err = to.begin()
	}
	if err == nil {
		err = m.write(to.tx)
	}
	return to.end(err)
}

// known refuses a file with a bucket that this release does not know: it would
// be lost.
func known(tx *bbolt.Tx) error {
	return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
		if slices.ContainsFunc(buckets(), func(b []byte) bool { return bytes.Equal(b, name) }) {
			return nil
		}
		return secret.Errorf(secret.Unsupported, "the file has a bucket %q, of a later release", name)
	})
}
