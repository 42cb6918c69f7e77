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

// Delete implements backends.Backend.
func (s *Store) Delete(ctx context.Context, name secret.Name, purge time.Time) (*secret.Secret, error) {
	at := s.now().UTC().Truncate(time.Millisecond)
	return s.move(ctx, "bolt.delete", name, liveHeads, trashHeads, &secret.Deletion{At: at, Purge: purge})
}

// Recover implements backends.Backend.
func (s *Store) Recover(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.move(ctx, "bolt.recover", name, trashHeads, liveHeads, nil)
}

// move takes the head of name from one bucket to the other. Nothing of it
// changes but whether it is deleted.
func (s *Store) move(ctx context.Context, op string, name secret.Name, from, to headStore, d *secret.Deletion) (out *secret.Secret, err error) {
	err = s.update(ctx, op, name, func(tx *bbolt.Tx) ([]put, error) {
		h, err := s.readHead(tx, from, name)
		if err != nil {
			return nil, err
		}
		vs, err := s.readVersions(ctx, tx, name)
		if err != nil {
			return nil, err
		}
		h.Secret.Deleted = d
		out = h.View(vs...)
		return s.movePuts(h, from, to)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Store) movePuts(h *history.Head, from, to headStore) ([]put, error) {
	moved, err := headPut(s.sealer.Batch(), to, h)
	if err != nil {
		return nil, err
	}
	name := h.Secret.Name
	list := listPut(name)
	if h.Secret.Deleted != nil {
		list.value = nil
	}
	return []put{{from.bucket, from.key(name), nil}, moved, list}, nil
}

// DescribeTrash implements backends.Backend.
func (s *Store) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.readAll(ctx, "bolt.describe_trash", trashHeads, name, noValue)
}

// ListTrash implements backends.Backend.
func (s *Store) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.list(ctx, "bolt.list_trash", q, trashHeads)
}

// Purge implements backends.Backend. What it removes can still be in pages of
// the file that no later write has used yet: sealed, as it was before.
func (s *Store) Purge(ctx context.Context, name secret.Name) error {
	return s.purge(ctx, name, func(*bbolt.Tx) (bool, error) { return true, nil })
}

// PurgeExactly implements backends.ExactPurger.
func (s *Store) PurgeExactly(ctx context.Context, seen *secret.Secret) error {
	return s.purge(ctx, seen.Name, func(tx *bbolt.Tx) (bool, error) {
		h, err := s.readHead(tx, trashHeads, seen.Name)
		if err != nil {
			return false, err
		}
		vs, err := s.readVersions(ctx, tx, seen.Name)
		return err == nil && h.View(vs...).SameDeletion(seen), err
	})
}

func (s *Store) purge(ctx context.Context, name secret.Name, wanted func(*bbolt.Tx) (bool, error)) error {
	return s.update(ctx, "bolt.purge", name, func(tx *bbolt.Tx) ([]put, error) {
		if tx.Bucket(trashHeads.bucket).Get(trashHeads.key(name)) == nil {
			return nil, secret.Errorf(secret.NotFound, "no such deleted secret")
		}
		if ok, err := wanted(tx); err != nil {
			return nil, err
		} else if !ok {
			return nil, secret.Errorf(secret.NotFound, "no longer that deleted secret")
		}
		gone := []put{{trashHeads.bucket, trashHeads.key(name), nil}}
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
