package bolt

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/kit"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/backends/sealed"
	"github.com/vaultferry/vaultferry/secret"
)

// Put implements backends.Backend. It touches the new version and the head of
// its secret, however many versions there are.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if err := errors.Join(name.Validate(), history.CheckDraft(&d), history.CheckLengths(MaxValue, d)); err != nil {
		return nil, failure("bolt.put", name, err)
	}
	var out *secret.Secret
	err := s.update(ctx, "bolt.put", name, func(tx *bbolt.Tx) ([]put, error) {
		h, err := s.headToWrite(tx, name, d.OnlyIfAbsent)
		if err == nil {
			err = unmoved(tx, name, d.If)
		}
		if err != nil {
			return nil, err
		}
		fresh := h.Last == 0
		v := h.Append(&d, freeUID(tx, name, d.UID), s.now())
		out = h.View(v)
		if fresh {
			return s.newSecretPuts(h, v)
		}
		return s.secretPuts(h, v)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Append implements backends.Marker.
func (s *Store) Append(ctx context.Context, name secret.Name, only secret.Mark, versions []secret.Draft) (out *secret.Secret, err error) {
	if err := errors.Join(name.Validate(), history.CheckDrafts(versions), history.CheckLengths(MaxValue, versions...)); err != nil {
		return nil, failure("bolt.append", name, err)
	}
	err = s.update(ctx, "bolt.append", name, func(tx *bbolt.Tx) ([]put, error) {
		h, err := s.headToWrite(tx, name, false)
		if err == nil {
			err = unmoved(tx, name, only)
		}
		for i := range versions {
			if uid := versions[i].UID; err == nil && !uid.IsZero() && freeUID(tx, name, uid) != uid {
				err = history.TakenUID()
			}
		}
		if err != nil {
			return nil, err
		}
		vs := h.AppendAll(versions, s.now())
		out = h.View(vs...).WithoutValues()
		return s.secretPuts(h, vs...)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Update implements backends.Backend. It touches the version and the head.
func (s *Store) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (out *secret.Secret, err error) {
	if err := history.CheckPatch(&p); err != nil {
		return nil, failure("bolt.update", name, err)
	}
	err = s.update(ctx, "bolt.update", name, func(tx *bbolt.Tx) ([]put, error) {
		h, err := s.readHead(tx, liveHeads, name)
		if err == nil {
			err = unmoved(tx, name, p.If)
		}
		if err != nil {
			return nil, err
		}
		v, err := s.selectVersion(tx, h, sel)
		if err != nil {
			return nil, err
		}
		if err := h.Patch(v, &p, s.now()); err != nil {
			return nil, err
		}
		out = h.View(*v)
		b := s.sealer.Batch()
		head, headErr := headPut(b, liveHeads, h)
		attributes, err := attributesPut(b, name, v)
		return []put{head, attributes}, errors.Join(headErr, err)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// unmoved refuses to write where the secret is not in the state with that mark any
// more, which is the salt of its sealed head.
func unmoved(tx *bbolt.Tx, name secret.Name, only secret.Mark) error {
	head := tx.Bucket(liveHeads.bucket).Get(liveHeads.key(name))
	switch {
	case only == "":
		return nil
	case head == nil:
		return secret.Errorf(secret.NotFound, "no such secret")
	case markOf(head) != only:
		return secret.Errorf(secret.Conflict, "")
	}
	return nil
}

func markOf(head []byte) secret.Mark { return secret.Mark(head[:min(len(head), sealed.SaltSize)]) }

// headToWrite returns the head of name, or a new one.
func (s *Store) headToWrite(tx *bbolt.Tx, name secret.Name, onlyIfAbsent bool) (*history.Head, error) {
	h, err := s.readHead(tx, liveHeads, name)
	switch {
	case tx.Bucket(trashHeads.bucket).Get(trashHeads.key(name)) != nil:
		return nil, secret.Errorf(secret.Trashed, "")
	case errors.Is(err, secret.NotFound):
		return history.NewHead(name), nil
	case err == nil && onlyIfAbsent:
		return nil, secret.Errorf(secret.AlreadyExists, "")
	}
	return h, err
}

func freeUID(tx *bbolt.Tx, name secret.Name, want secret.UID) secret.UID {
	for want.IsZero() || tx.Bucket(bucketSecrets).Get(uidKey(name, want)) != nil {
		want = secret.NewUID()
	}
	return want
}

// secretPuts are the head and the given versions.
func (s *Store) secretPuts(h *history.Head, vs ...secret.Version) ([]put, error) {
	b := s.sealer.Batch()
	head, err := headPut(b, liveHeads, h)
	if err != nil {
		return nil, err
	}
	puts := []put{head}
	for i := range vs {
		more, err := versionPuts(b, h.Secret.Name, &vs[i])
		if err != nil {
			return nil, err
		}
		puts = append(puts, more...)
	}
	return puts, nil
}

// newSecretPuts is secretPuts of a secret that was not there.
func (s *Store) newSecretPuts(h *history.Head, vs ...secret.Version) ([]put, error) {
	puts, err := s.secretPuts(h, vs...)
	return append(puts, listPut(h.Secret.Name)), err
}

func headPut(b *sealed.Batch, to headStore, h *history.Head) (put, error) {
	record, err := b.SealHead(h)
	return put{to.bucket, to.key(h.Secret.Name), record}, err
}

// listPut lists a secret that is not deleted.
func listPut(name secret.Name) put { return put{bucketLive, []byte(name), []byte{}} }

// attributesPut is all of v but its value.
func attributesPut(b *sealed.Batch, name secret.Name, v *secret.Version) (put, error) {
	record, err := b.SealAttributes(name, v)
	return put{bucketSecrets, attributesKey(name, v.Ordinal), record}, err
}

func versionPuts(b *sealed.Batch, name secret.Name, v *secret.Version) ([]put, error) {
	attributes, value, err := b.SealVersion(name, v)
	if err != nil {
		return nil, err
	}
	puts := []put{
		{bucketSecrets, attributesKey(name, v.Ordinal), attributes},
		{bucketSecrets, uidKey(name, v.UID), ordinalBytes(v.Ordinal)},
	}
	if value != nil {
		puts = append(puts, put{valueBucket(value), valueKey(name, v.Ordinal), value})
	}
	return puts, nil
}

// Forecast implements backends.Backend: only values over MaxValue are lost.
func (*Store) Forecast(in *secret.Secret) []secret.Loss { return loss.OfLongValues(in, MaxValue) }

// Import implements backends.Backend, in one transaction: none is ever
// unfinished, so no token is needed to complete one.
func (s *Store) Import(ctx context.Context, in *secret.Secret, _ string) (*backends.Imported, error) {
	in = loss.Apply(in, s.Forecast(in))
	fresh, err := history.HeadOf(in)
	if err != nil {
		return nil, failure("bolt.import", in.Name, err)
	}
	err = s.update(ctx, "bolt.import", in.Name, func(tx *bbolt.Tx) ([]put, error) {
		if _, err := s.headToWrite(tx, in.Name, true); err != nil {
			return nil, err
		}
		return s.newSecretPuts(fresh, in.Versions...)
	})
	if err != nil {
		return nil, err
	}
	return kit.Imported(fresh.View(in.Versions...)), nil
}
