package kv1

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/secret"
)

// Get implements backends.Backend.
func (s *Store) Get(ctx context.Context, name secret.Name, sel secret.Selector) (*secret.Secret, error) {
	st, err := s.read(ctx, name)
	if err == nil && st.View().Find(sel) == nil {
		err = secret.Errorf(secret.NotFound, "no such version")
	}
	if err != nil {
		return nil, connection.Named(err, "get", name)
	}
	return st.View(), nil
}

// Export implements backends.Backend.
func (s *Store) Export(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	st, err := s.read(ctx, name)
	if err != nil {
		return nil, connection.Named(err, "export", name)
	}
	return st.View(), nil
}

// Describe implements backends.Backend.
func (s *Store) Describe(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.One(ctx, "describe", name, s.describe(live))
}

// DescribeTrash implements backends.Backend.
func (s *Store) DescribeTrash(ctx context.Context, name secret.Name) (*secret.Secret, error) {
	return s.One(ctx, "describe deleted", name, s.describe(deleted))
}

// List implements backends.Backend.
func (s *Store) List(ctx context.Context, q secret.Query) (secret.Page, error) {
	if q.NamesAlone {
		return s.NamePage(ctx, q)
	}
	want := live
	if q.WithTrash {
		want = func(*state) bool { return true }
	}
	return s.Page(ctx, "list", q, connection.Shown(s.describe(want)))
}

// ListTrash implements backends.Backend. The product keeps no list of its
// trash: it costs as much as List.
func (s *Store) ListTrash(ctx context.Context, q secret.Query) (secret.Page, error) {
	return s.Page(ctx, "list deleted", q, connection.Shown(s.describe(deleted)))
}

func live(st *state) bool    { return st.Secret.Deleted == nil }
func deleted(st *state) bool { return st.Secret.Deleted != nil }

// describe is for readers who get no value: a spoilt sidecar is logged, so that
// one such secret hides no other. It shows as disabled.
func (s *Store) describe(want func(*state) bool) connection.Describe {
	return func(ctx context.Context, at connection.Location, name secret.Name) (*secret.Secret, error) {
		unlock, err := s.locks.RLock(ctx, name)
		if err != nil {
			return nil, err
		}
		defer unlock()
		st, err := s.load(ctx, at, name)
		switch {
		case err != nil:
			return nil, err
		case !st.exists || !want(st):
			return nil, &secret.Error{Kind: secret.NotFound}
		case st.foreign != nil:
			s.Warn(ctx, "attributes of a secret cannot be read", "name", name, "error", st.foreign)
		}
		return st.View().WithoutValues(), nil
	}
}

// read loads what a reader of live secrets may see.
func (s *Store) read(ctx context.Context, name secret.Name) (*state, error) {
	at, err := s.Locate(name)
	if err != nil {
		return nil, err
	}
	unlock, err := s.locks.RLock(ctx, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	st, err := s.load(ctx, at, name)
	if err != nil {
		return nil, err
	}
	return st, st.visible()
}

// load reads a secret's state. Absence is no error: see state.visible. The
// value comes first: whatever gateway wrote it had written its sidecar before.
func (s *Store) load(ctx context.Context, at connection.Location, name secret.Name) (*state, error) {
	var before *state
	for range 5 {
		st := &state{Location: at, name: name}
		err := s.Read(ctx, "/"+at.Path, nil, &st.data)
		if errors.Is(err, secret.NotFound) {
			return st, nil
		}
		if err != nil {
			return nil, err
		}
		st.exists = true
		if st.kept, err = s.readSidecars(ctx, at); err != nil {
			return nil, err
		}
		if err := s.match(st); err != nil {
			return nil, err
		}
		if st.mine != nil || len(st.kept.All) == 0 || before.same(st) {
			return st, nil
		}
		before = st // another gateway may be writing: only what stays so is native
	}
	return nil, secret.Errorf(secret.Conflict, "the secret keeps changing while it is read")
}

func (s *Store) readSidecars(ctx context.Context, at connection.Location) (sidecars, error) {
	var got map[string]json.RawMessage
	err := s.Read(ctx, "/"+at.Companion, nil, &got)
	if errors.Is(err, secret.NotFound) {
		return sidecars{}, nil
	}
	if err != nil {
		return sidecars{}, err
	}
	return parseSidecars(got[sidecarKey]), nil
}
