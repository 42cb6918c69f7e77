package bolt

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/vaultferry/vaultferry/backends"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/loss"
	"github.com/vaultferry/vaultferry/secret"
)

// Put implements backends.Backend. It touches the new version and the head of
// its secret, however many versions there are.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	if err := errors.Join(name.Validate(), history.CheckDraft(&d)); err != nil {
		return nil, failure("bolt.put", name, err)
	}
	if d.Value.Len() > MaxValue {
		return nil, failure("bolt.put", name, secret.Errorf(secret.TooLarge, "the value is longer than %d bytes", MaxValue))
	}
	var out *secret.Secret
	err := s.update(ctx, "bolt.put", name, func(tx *bbolt.Tx) ([]put, error) {
		h, err := s.headToWrite(tx, name, d.OnlyIfAbsent)
		if err != nil {
			return nil, err
		}
		fresh := h.Last == 0
		v := h.Append(&d, freeUID(tx, name, d.UID), s.now())
		out = h.View(v)
		if fresh {
			return s.created(h, v)
		}
		return s.records(h, v)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// headToWrite returns the head of name, or a new one.
func (s *Store) headToWrite(tx *bbolt.Tx, name secret.Name, onlyIfAbsent bool) (*history.Head, error) {
	h, err := s.head(tx, live, name)
	switch {
	case tx.Bucket(trash.bucket).Get(trash.key(name)) != nil:
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

// records seals the head and the given versions.
func (s *Store) records(h *history.Head, vs ...secret.Version) ([]put, error) {
	head, err := s.headRecord(live, h)
	if err != nil {
		return nil, err
	}
	puts := []put{head}
	for i := range vs {
		more, err := s.versionRecords(h.Secret.Name, &vs[i])
		if err != nil {
			return nil, fmt.Errorf("version %d: %w", vs[i].Ordinal, err)
		}
		puts = append(puts, more...)
	}
	return puts, nil
}

func (s *Store) headRecord(to shelf, h *history.Head) (put, error) {
	plain, err := encodeHead(h)
	if err != nil {
		return put{}, err
	}
	sealed, err := s.seal.seal(to.sealed, h.Secret.Name, nil, plain)
	return put{to.bucket, to.key(h.Secret.Name), sealed}, err
}

// created is records of a secret that was not there.
func (s *Store) created(h *history.Head, vs ...secret.Version) ([]put, error) {
	puts, err := s.records(h, vs...)
	return append(puts, listing(h.Secret.Name)), err
}

// listing is what lists a secret that is not deleted.
func listing(name secret.Name) put { return put{bucketLive, []byte(name), []byte{}} }

// attributes seals all of v but its value.
func (s *Store) attributes(name secret.Name, v *secret.Version) (put, error) {
	plain, err := encodeVersion(v)
	if err != nil {
		return put{}, err
	}
	sealed, err := s.seal.seal(sealedVersion, name, ordinalBytes(v.Ordinal), plain)
	return put{bucketSecrets, attributesKey(name, v.Ordinal), sealed}, err
}

func (s *Store) versionRecords(name secret.Name, v *secret.Version) ([]put, error) {
	attributes, err := s.attributes(name, v)
	if err != nil {
		return nil, err
	}
	puts := []put{attributes, {bucketSecrets, uidKey(name, v.UID), ordinalBytes(v.Ordinal)}}
	if v.Missing != "" {
		return puts, nil
	}
	sealed, err := s.seal.seal(sealedValue, name, v.UID[:], encodeValue(v.Value))
	if err != nil {
		return nil, err
	}
	return append(puts, put{valueBucket(sealed), valueKey(name, v.Ordinal), sealed}), nil
}

// Forecast implements backends.Backend: only values over MaxValue are lost.
func (*Store) Forecast(in *secret.Secret) []secret.Loss {
	var out []secret.Loss
	for i := range in.Versions {
		if v := &in.Versions[i]; v.Value.Len() > MaxValue {
			out = append(out, secret.Loss{
				Grade: secret.Data, Version: v.Ordinal, What: loss.Value,
				Why: fmt.Sprintf("it is longer than %d bytes", MaxValue),
			})
		}
	}
	return out
}

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
		return s.created(fresh, in.Versions...)
	})
	if err != nil {
		return nil, err
	}
	done := &backends.Imported{Secret: fresh.View(in.Versions...).WithoutValues()}
	for i := range in.Versions {
		done.Stands = append(done.Stands, in.Versions[i].Ordinal)
	}
	return done, nil
}
