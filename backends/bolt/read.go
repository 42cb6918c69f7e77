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
		h, err := s.head(tx, live, name)
		if err != nil {
			return err
		}
		v, err := s.pick(tx, h, sel)
		if err != nil {
			return err
		}
		if err := s.value(tx, name, v); err != nil {
			return err
		}
		out = h.View(*v)
		return nil
	})
	return out, err
}

// Describe implements backends.Backend.
func (s *Store) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.all(ctx, "bolt.describe", live, name, noValue)
}

func noValue(*bbolt.Tx, *secret.Version) error { return nil }

// Export implements backends.Backend.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.all(ctx, "bolt.export", live, name, func(tx *bbolt.Tx, v *secret.Version) error {
		return s.value(tx, name, v)
	})
}

func (s *Store) all(ctx context.Context, op string, on shelf, name secret.Name, each func(*bbolt.Tx, *secret.Version) error) (out *secret.Secret, err error) {
	err = s.view(ctx, op, name, func(tx *bbolt.Tx) error {
		h, err := s.head(tx, on, name)
		if err != nil {
			return err
		}
		vs, err := s.versions(ctx, tx, name)
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
		return s.list(ctx, "bolt.list", q, live, trash)
	}
	return s.list(ctx, "bolt.list", q, live)
}

// list is one state of the shelves, as one page.
func (s *Store) list(ctx context.Context, op string, q secret.Query, from ...shelf) (p secret.Page, err error) {
	err = s.view(ctx, op, "", func(tx *bbolt.Tx) error {
		p = secret.Page{}
		for _, on := range from {
			more, err := s.page(ctx, tx, on, q)
			if err != nil {
				return err
			}
			p = kit.JoinPages(q.Limit, p, more)
		}
		return nil
	})
	return p, err
}

func (s *Store) page(ctx context.Context, tx *bbolt.Tx, on shelf, q secret.Query) (p secret.Page, err error) {
	limit := maxPage
	if q.Limit > 0 {
		limit = min(q.Limit, maxPage)
	}
	c := tx.Bucket(on.list).Cursor()
	k, _ := c.Seek([]byte(q.After))
	if k != nil && string(k) == string(q.After) {
		k, _ = c.Next()
	}
	for ; k != nil; k, _ = c.Next() {
		if len(p.Secrets) == limit {
			p.Next = p.Secrets[limit-1].Name
			return p, nil
		}
		one, err := s.listed(ctx, tx, on, secret.Name(k))
		if err != nil {
			return p, err
		}
		p.Secrets = append(p.Secrets, one)
	}
	return p, nil
}

// listed returns a secret with its current version alone.
func (s *Store) listed(ctx context.Context, tx *bbolt.Tx, on shelf, name secret.Name) (*secret.Secret, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	sealed := tx.Bucket(on.bucket).Get(on.key(name))
	if sealed == nil {
		return nil, errors.New("a secret is listed that is not there")
	}
	h, err := s.openHead(on, name, sealed)
	if err != nil {
		return nil, err
	}
	if h.Secret.Current == 0 {
		return h.View(), nil
	}
	v, err := s.version(tx, name, h.Secret.Current)
	if err != nil {
		return nil, err
	}
	return h.View(*v), nil
}

// head reads what is kept of a secret beside its versions, or NotFound.
func (s *Store) head(tx *bbolt.Tx, on shelf, name secret.Name) (*history.Head, error) {
	sealed := tx.Bucket(on.bucket).Get(on.key(name))
	if sealed == nil {
		return nil, secret.Errorf(secret.NotFound, "no such secret")
	}
	return s.openHead(on, name, sealed)
}

func (s *Store) openHead(on shelf, name secret.Name, sealed []byte) (*history.Head, error) {
	plain, err := s.seal.open(on.sealed, name, nil, sealed)
	if err != nil {
		return nil, err
	}
	return decodeHead(name, plain)
}

// pick reads the attributes of the version that sel selects, or NotFound.
func (s *Store) pick(tx *bbolt.Tx, h *history.Head, sel secret.Selector) (*secret.Version, error) {
	name, o := h.Secret.Name, sel.Ordinal
	switch {
	case sel.IsCurrent():
		o = h.Secret.Current
	case o == 0:
		o = ordinalOf(tx.Bucket(bucketSecrets).Get(uidKey(name, sel.UID)))
	}
	v, err := s.version(tx, name, o)
	if err != nil {
		return nil, err
	}
	if sel.Ordinal == 0 && !sel.IsCurrent() && v.UID != sel.UID {
		return nil, errors.New("the index of UIDs does not fit the versions")
	}
	return v, nil
}

func (s *Store) version(tx *bbolt.Tx, name secret.Name, o secret.Ordinal) (*secret.Version, error) {
	sealed := tx.Bucket(bucketSecrets).Get(attributesKey(name, o))
	if o <= 0 || sealed == nil {
		return nil, secret.Errorf(secret.NotFound, "no such version")
	}
	return s.openVersion(name, o, sealed)
}

func (s *Store) openVersion(name secret.Name, o secret.Ordinal, sealed []byte) (*secret.Version, error) {
	plain, err := s.seal.open(sealedVersion, name, ordinalBytes(o), sealed)
	if err != nil {
		return nil, err
	}
	return decodeVersion(o, plain)
}

// versions reads the attributes of every version, oldest first.
func (s *Store) versions(ctx context.Context, tx *bbolt.Tx, name secret.Name) ([]secret.Version, error) {
	var out []secret.Version
	c := tx.Bucket(bucketSecrets).Cursor()
	group := append(prefix(name), byte(partAttributes))
	for k, sealed := c.Seek(group); bytes.HasPrefix(k, group); k, sealed = c.Next() {
		p := parsePlace(k)
		if p.name == "" {
			return nil, errors.New("a version's key has the wrong length")
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		v, err := s.openVersion(name, p.ordinal, sealed)
		if err != nil {
			return nil, err
		}
		out = append(out, *v)
	}
	slices.Reverse(out) // the newest has the first key
	return out, nil
}

// value fills in the value of v, unless v misses it.
func (s *Store) value(tx *bbolt.Tx, name secret.Name, v *secret.Version) error {
	if v.Missing != "" {
		return nil
	}
	key := valueKey(name, v.Ordinal)
	sealed := tx.Bucket(bucketSecrets).Get(key)
	if sealed == nil {
		sealed = tx.Bucket(bucketValues).Get(key)
	}
	plain, err := s.seal.open(sealedValue, name, v.UID[:], sealed)
	if err != nil {
		return err
	}
	v.Value, err = decodeValue(plain)
	return err
}
