package bolt

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/secret"
)

// Get implements backends.Backend.
func (s *Store) Get(ctx context.Context, name secret.Name, sel secret.Selector) (out *secret.Secret, err error) {
	err = s.view(ctx, "bolt.get", name, func(tx *bbolt.Tx) error {
		h, err := s.readHead(tx, liveHeads, name)
		if err != nil {
			return err
		}
		v, err := s.selectVersion(tx, h, sel)
		if err != nil {
			return err
		}
		if err := s.readValue(tx, name, v); err != nil {
			return err
		}
		out = h.View(*v)
		return nil
	})
	return out, err
}

// Describe implements backends.Backend.
func (s *Store) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.readAll(ctx, "bolt.describe", liveHeads, name, noValue)
}

// DescribeMarked implements backends.Marker.
func (s *Store) DescribeMarked(ctx context.Context, name secret.Name) (out *secret.Secret, mark secret.Mark, err error) {
	out, err = s.readAll(ctx, "bolt.describe", liveHeads, name, func(tx *bbolt.Tx, _ *secret.Version) error {
		mark = markOf(tx.Bucket(liveHeads.bucket).Get(liveHeads.key(name)))
		return nil
	})
	return out, mark, err
}

func noValue(*bbolt.Tx, *secret.Version) error { return nil }

// Export implements backends.Backend.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.readAll(ctx, "bolt.export", liveHeads, name, func(tx *bbolt.Tx, v *secret.Version) error {
		return s.readValue(tx, name, v)
	})
}

func (s *Store) readAll(ctx context.Context, op string, from headStore, name secret.Name, each func(*bbolt.Tx, *secret.Version) error) (out *secret.Secret, err error) {
	err = s.view(ctx, op, name, func(tx *bbolt.Tx) error {
		h, err := s.readHead(tx, from, name)
		if err != nil {
			return err
		}
		vs, err := s.readVersions(ctx, tx, name)
		if err != nil {
			return err
		}
		for i := range vs {
			if err := errors.Join(ctx.Err(), each(tx, &vs[i])); err != nil {
				return err
			}
		}
		out = h.View(vs...)
		return nil
	})
	return out, err
}

// maxPage bounds a page whatever its Limit.
const maxPage = 1000

// List implements backends.Backend.
func (s *Store) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	if q.WithTrash {
		return s.list(ctx, "bolt.list", q, liveHeads, trashHeads)
	}
	return s.list(ctx, "bolt.list", q, liveHeads)
}

// list is one state of the secrets whose heads are there, as one page.
func (s *Store) list(ctx context.Context, op string, q secret.Query, stores ...headStore) (p secret.Page, err error) {
	err = s.view(ctx, op, "", func(tx *bbolt.Tx) error {
		p = secret.Page{}
		for _, from := range stores {
			more, err := s.page(ctx, tx, from, q)
			if err != nil {
				return err
			}
			p = kit.JoinPages(q.Limit, p, more)
		}
		return nil
	})
	return p, err
}

func (s *Store) page(ctx context.Context, tx *bbolt.Tx, from headStore, q secret.Query) (p secret.Page, err error) {
	limit := maxPage
	if q.Limit > 0 {
		limit = min(q.Limit, maxPage)
	}
	c := tx.Bucket(from.list).Cursor()
	k, _ := c.Seek([]byte(q.After))
	if k != nil && string(k) == string(q.After) {
		k, _ = c.Next()
	}
	for ; k != nil; k, _ = c.Next() {
		if len(p.Secrets) == limit {
			p.Next = p.Secrets[limit-1].Name
			return p, nil
		}
		one, err := s.readListed(ctx, tx, from, secret.Name(k))
		if err != nil {
			return p, err
		}
		p.Secrets = append(p.Secrets, one)
	}
	return p, nil
}

// readListed returns a secret with its current version alone.
func (s *Store) readListed(ctx context.Context, tx *bbolt.Tx, from headStore, name secret.Name) (*secret.Secret, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sealed := tx.Bucket(from.bucket).Get(from.key(name))
	if sealed == nil {
		return nil, errors.New("a secret is listed that is not there")
	}
	h, err := s.sealer.UnsealHead(from.deleted, name, sealed)
	if err != nil {
		return nil, err
	}
	if h.Secret.Current == 0 {
		return h.View(), nil
	}
	v, err := s.readVersion(tx, name, h.Secret.Current)
	if err != nil {
		return nil, err
	}
	return h.View(*v), nil
}

// readHead reads what is kept of a secret beside its versions, or NotFound.
func (s *Store) readHead(tx *bbolt.Tx, from headStore, name secret.Name) (*history.Head, error) {
	sealed := tx.Bucket(from.bucket).Get(from.key(name))
	if sealed == nil {
		return nil, secret.Errorf(secret.NotFound, "no such secret")
	}
	return s.sealer.UnsealHead(from.deleted, name, sealed)
}

// selectVersion reads the attributes of the version that sel selects, or NotFound.
func (s *Store) selectVersion(tx *bbolt.Tx, h *history.Head, sel secret.Selector) (*secret.Version, error) {
	name, o := h.Secret.Name, sel.Ordinal
	switch {
	case sel.IsCurrent():
		o = h.Secret.Current
	case o == 0:
		o = ordinalOf(tx.Bucket(bucketSecrets).Get(uidKey(name, sel.UID)))
	}
	v, err := s.readVersion(tx, name, o)
	if err != nil {
		return nil, err
	}
	if sel.Ordinal == 0 && !sel.IsCurrent() && v.UID != sel.UID {
		return nil, errors.New("the index of UIDs does not fit the versions")
	}
	return v, nil
}

func (s *Store) readVersion(tx *bbolt.Tx, name secret.Name, o secret.Ordinal) (*secret.Version, error) {
	sealed := tx.Bucket(bucketSecrets).Get(attributesKey(name, o))
	if o <= 0 || sealed == nil {
		return nil, secret.Errorf(secret.NotFound, "no such version")
	}
	return s.sealer.UnsealVersion(name, o, sealed)
}

// readVersions reads the attributes of every version, oldest first.
func (s *Store) readVersions(ctx context.Context, tx *bbolt.Tx, name secret.Name) ([]secret.Version, error) {
	var out []secret.Version
	c := tx.Bucket(bucketSecrets).Cursor()
	attributes := kindPrefix(name, recordAttributes)
	for k, sealed := c.Seek(attributes); bytes.HasPrefix(k, attributes); k, sealed = c.Next() {
		key, ok := parseRecordKey(k)
		if !ok {
			return nil, errors.New("a version's key has the wrong length")
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v, err := s.sealer.UnsealVersion(name, key.ordinal, sealed)
		if err != nil {
			return nil, err
		}
		out = append(out, *v)
	}
	slices.Reverse(out) // the newest has the first key
	return out, nil
}

// readValue fills in the value of v, unless v misses it.
func (s *Store) readValue(tx *bbolt.Tx, name secret.Name, v *secret.Version) error {
	if v.Missing != "" {
		return nil
	}
	key := valueKey(name, v.Ordinal)
	sealed := tx.Bucket(bucketSecrets).Get(key)
	if sealed == nil {
		sealed = tx.Bucket(bucketValues).Get(key)
	}
	var err error
	v.Value, err = s.sealer.UnsealValue(name, v.UID, sealed)
	return err
}
