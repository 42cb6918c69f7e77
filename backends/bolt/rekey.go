package bolt

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"

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
	err = rewrite(ctx, w, from, (&resealer{old: old, next: next}).again)
	return finish(w, &meta{Format: format, Store: m.Store, Key: wrapped}, err)
}

// resealer takes the records in the order of contents.
type resealer struct {
	old, next sealer
	name      secret.Name
	uids      map[secret.Ordinal]secret.UID // of the name, as far as it has come
}

func (r *resealer) again(one record) ([]byte, error) {
	if one.place.part == partUID {
		return one.value, nil
	}
	kind, part := r.bound(one)
	plain, err := r.old.open(kind, one.place.name, part, one.value)
	if err != nil {
		return nil, err
	}
	if one.place.part == partAttributes {
		v, err := decodeVersion(one.place.ordinal, plain)
		if err != nil {
			return nil, err
		}
		r.uids[v.Ordinal] = v.UID
	}
	return r.next.seal(kind, one.place.name, part, plain)
}

// bound is what a record is and, beside its name, what it is bound to.
func (r *resealer) bound(one record) (kind string, part []byte) {
	if p := one.place; p.name != r.name {
		r.name, r.uids = p.name, map[secret.Ordinal]secret.UID{}
	}
	switch p := one.place; {
	case p.name == "":
		return sealedNote, one.key
	case p.part == partAttributes:
		return sealedVersion, ordinalBytes(p.ordinal)
	case p.part == partValue:
		uid := r.uids[p.ordinal]
		return sealedValue, uid[:]
	case bytes.Equal(one.bucket, bucketTrash):
		return sealedTrash, nil
	}
	return sealedHead, nil
}
