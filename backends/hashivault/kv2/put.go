package kv2

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/secret"
)

// attempts bounds how often a Put begins anew because others write as well.
const attempts = 10

const detailUnfinished = "an import of this name was begun and is not finished: repeat it, or remove the secret with Vault's own tools"

// Put implements backends.Backend. A key of which native tools deleted every
// version is taken: its history is still there.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	out, err := s.put(ctx, name, &d, nil)
	return out, connection.Named(err, "put", name)
}

func (s *Store) put(ctx context.Context, name secret.Name, d *secret.Draft, displace func(ctx context.Context, gone []secret.Ordinal) error) (*secret.Secret, error) {
	at, err := s.Locate(name)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(history.CheckDraft(d), connection.CheckDraftTimes(d)); err != nil {
		return nil, err
	}
	data, form, err := connection.EncodeValue(s.Field, d.Value)
	if err != nil {
		return nil, err
	}
	unlock, err := s.writers.Lock(ctx, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for range attempts {
		st, err := s.load(ctx, at, name)
		if err == nil {
			err = st.takes(d)
		}
		if err == nil {
			err = s.closeOld(ctx, st)
		}
		if err != nil {
			return nil, err
		}
		w := s.newWrite(st, d, form)
		w.displace = displace
		out, err := w.run(ctx, data)
		if !errors.Is(err, secret.Conflict) {
			return out, err
		}
		if err := w.takeBack(ctx); err != nil {
			return nil, err
		}
	}
	return nil, secret.Errorf(secret.Conflict, "others keep writing the same secret")
}

// takes refuses a draft for which the secret is not in the state.
func (st *state) takes(d *secret.Draft) error {
	switch {
	case st.unfinished():
		return secret.Errorf(secret.Conflict, detailUnfinished)
	case st.Custom[trashKey] != "":
		return &secret.Error{Kind: secret.Trashed}
	case d.OnlyIfAbsent && st.Current > 0:
		return &secret.Error{Kind: secret.AlreadyExists}
	}
	return st.foreign
}
