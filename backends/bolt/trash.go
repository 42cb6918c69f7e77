package bolt

import (
	"bytes"
	"context"
	"time"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// A deleted secret is its head in the bucket of the trash; versions, values
// and UIDs stay where they are. No name has a head in both, or is listed there.

// Update implements backends.Backend. It touches the version and the head.
func (s *Store) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (out *secret.Secret, err error) {
	if err := history.CheckPatch(&p); err != nil {
		return nil, failure("bolt.update", name, err)
	}
	err = s.update(ctx, "bolt.update", name, func(tx *bbolt.Tx) ([]put, error) {
		h, err := s.head(tx, live, name)
		if err != nil {
			return nil, err
		}
		v, err := s.pick(tx, h, sel)
		if err != nil {
			return nil, err
		}
		if err := h.Patch(v, &p, s.now()); err != nil {
			return nil, err
		}
		head, err := s.headRecord(live, h)
		if err != nil {
			return nil, err
		}
		attributes, err := s.attributes(name, v)
		if err != nil {
			return nil, err
		}
		out = h.View(*v)
		return []put{head, attributes}, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Delete implements backends.Backend.
func (s *Store) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	at := s.now().UTC().Truncate(time.Millisecond)
	return s.move(ctx, "bolt.delete", name, live, trash, &secret.Deletion{At: at, Purge: purge})
}

// Recover implements backends.Backend.
func (s *Store) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.move(ctx, "bolt.recover", name, trash, live, nil)
}

// move takes the head of name from one bucket to the other. Nothing of it
// changes but whether it is deleted.
func (s *Store) move(ctx context.Context, op string, name secret.Name, from, to shelf, d *secret.Deletion) (out *secret.Secret, err error) {
	err = s.update(ctx, op, name, func(tx *bbolt.Tx) ([]put, error) {
		h, err := s.head(tx, from, name)
		if err != nil {
			return nil, err
		}
		vs, err := s.versions(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		h.Secret.Deleted = d
		out = h.View(vs...)
		return s.moveHead(h, from, to)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Store) moveHead(h *history.Head, from, to shelf) ([]put, error) {
	moved, err := s.headRecord(to, h)
	if err != nil {
		return nil, err
	}
	name := h.Secret.Name
	list := listing(name)
	if h.Secret.Deleted != nil {
		list.value = nil
	}
	return []put{{from.bucket, from.key(name), nil}, moved, list}, nil
}

// DescribeTrash implements backends.Backend.
func (s *Store) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.all(ctx, "bolt.describe_trash", trash, name, noValue)
}

// ListTrash implements backends.Backend.
func (s *Store) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.list(ctx, "bolt.list_trash", q, trash)
}

// Purge implements backends.Backend. What it removes can still be in pages of
// the file that no later write has used yet: sealed, as it was before.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	return s.update(ctx, "bolt.purge", name, func(tx *bbolt.Tx) ([]put, error) {
		if tx.Bucket(trash.bucket).Get(trash.key(name)) == nil {
			return nil, secret.Errorf(secret.NotFound, "no such deleted secret")
		}
		gone := []put{{trash.bucket, trash.key(name), nil}}
		for _, bucket := range [][]byte{bucketSecrets, bucketValues} {
			keys, err := keysOf(ctx, tx, bucket, name)
			if err != nil {
				return nil, err
			}
			for _, k := range keys {
				gone = append(gone, put{bucket, k, nil})
			}
		}
		return gone, nil
	})
}

// keysOf copies the keys of one secret in the bucket.
func keysOf(ctx context.Context, tx *bbolt.Tx, bucket []byte, name secret.Name) ([][]byte, error) {
	var keys [][]byte
	p := prefix(name)
	c := tx.Bucket(bucket).Cursor()
	for k, _ := c.Seek(p); bytes.HasPrefix(k, p); k, _ = c.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		keys = append(keys, bytes.Clone(k))
	}
	return keys, nil
}
