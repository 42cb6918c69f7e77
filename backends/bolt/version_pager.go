package bolt

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// DescribePart implements backends.VersionPager. It reads the head and, of the
// versions, those that the part passes.
func (s *Store) DescribePart(ctx context.Context, name secret.Name, p secret.Part) (out *secret.Secret, err error) {
	from := liveHeads
	if p.InTrash {
		from = trashHeads
	}
	err = s.view(ctx, "bolt.describe_part", name, func(tx *bbolt.Tx) error {
		h, err := s.readHead(tx, from, name)
		if err != nil {
			return err
		}
		vs, err := s.readPart(ctx, tx, h, &p)
		if err != nil {
			return err
		}
		out = h.View(vs...)
		return nil
	})
	return out, err
}

// readPart reads the attributes of the versions that p picks, oldest first.
func (s *Store) readPart(ctx context.Context, tx *bbolt.Tx, h *history.Head, p *secret.Part) (out []secret.Version, err error) {
	labels := h.Labels()
	for key := range versionsAfter(tx.Bucket(bucketSecrets), h.Secret.Name, p) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v, err := s.readVersion(tx, h.Secret.Name, key.ordinal)
		switch {
		case errors.Is(err, secret.NotFound), err == nil && p.ByUID && v.UID != key.uid:
			return nil, errors.New("the index of UIDs does not fit the versions")
		case err != nil:
			return nil, err
		}
		v.Stages = labels[v.Ordinal]
		if p.Show == nil || p.Show(&h.Secret, v) {
			out = append(out, *v)
		}
		if p.Full(len(out)) {
			break
		}
	}
	slices.SortFunc(out, func(a, b secret.Version) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return out, nil
}

// versionsAfter goes through the versions of a secret in the order of p, from
// its place on. Of each it tells the ordinal, and where p goes by UID that too.
func versionsAfter(b *bbolt.Bucket, name secret.Name, p *secret.Part) iter.Seq[recordKey] {
	c := b.Cursor()
	if p.ByUID {
		return func(yield func(recordKey) bool) {
			uids, place := kindPrefix(name, recordUID), uidKey(name, p.After.UID)
			for k, o := c.Seek(place); bytes.HasPrefix(k, uids); k, o = c.Next() {
				key, _ := parseRecordKey(k)
				key.ordinal = ordinalOf(o)
				if !bytes.Equal(k, place) && !yield(key) {
					return
				}
			}
		}
	}
	return func(yield func(recordKey) bool) {
		attributes := kindPrefix(name, recordAttributes)
		c.Seek(attributesKey(name, max(p.After.Ordinal, 0)))
		for k, _ := c.Prev(); bytes.HasPrefix(k, attributes); k, _ = c.Prev() { // the newest has the first key
			if key, _ := parseRecordKey(k); !yield(key) {
				return
			}
		}
	}
}
