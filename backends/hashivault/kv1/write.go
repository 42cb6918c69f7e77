package kv1

import (
	"context"
	"errors"

	"github.com/vaultferry/vaultferry/backends/hashivault/connection"
	"github.com/vaultferry/vaultferry/backends/history"
	"github.com/vaultferry/vaultferry/backends/sidecar"
	"github.com/vaultferry/vaultferry/secret"
)

// Put implements backends.Backend. The version takes the place of the one that
// stands, so it becomes current, whatever the draft says of an existing secret:
// one that must not is refused.
func (s *Store) Put(ctx context.Context, name secret.Name, d secret.Draft) (*secret.Secret, error) {
	var out *secret.Secret
	data, form, err := s.admit(&d)
	if err == nil {
		err = s.changing(ctx, name, func(st *state) (err error) {
			out, err = s.put(ctx, st, &d, data, form)
			return err
		})
	}
	return out, connection.Named(err, "put", name)
}

func (s *Store) admit(d *secret.Draft) (data []byte, form sidecar.Form, err error) {
	if err := errors.Join(history.CheckDraft(d), connection.CheckDraftTimes(d)); err != nil {
		return nil, "", err
	}
	if d.Missing != "" {
		return nil, "", secret.Errorf(secret.Unsupported, "KV version 1 holds no version without a value")
	}
	return encode(s.Field, d.Value)
}

func (s *Store) put(ctx context.Context, st *state, d *secret.Draft, data []byte, form sidecar.Form) (*secret.Secret, error) {
	err := st.taken()
	switch {
	case errors.Is(err, secret.Trashed), err != nil && d.OnlyIfAbsent:
		return nil, err
	case st.foreign != nil:
		return nil, st.foreign
	case st.exists && d.KeepCurrent:
		return nil, secret.Errorf(secret.TooLarge, "KV version 1 holds one version, and another is to stay current")
	}
	next := st.next(d, s.Now())
	if err := s.replace(ctx, st, next, data, form); err != nil {
		return nil, err
	}
	return next.View(), nil
}

// replace writes the sidecar of a version, beside the one of the value that
// stands, and then the value.
func (s *Store) replace(ctx context.Context, st *state, next *history.State, data []byte, form sidecar.Form) error {
	all := st.toGrow()
	e := entryOf(next, form, all.digest(data))
	if e.size() > maxEntry {
		return secret.Errorf(secret.TooLarge, "the attributes are too large for Vault")
	}
	same := st.mine != nil && st.mine.Digest == e.Digest // the sidecar alone is the change
	all.add(st.mine, e)
	if err := s.writeSidecars(ctx, st.Location, all); err != nil {
		if errors.Is(err, secret.Unknown) && !same { // a sidecar without its value shows nowhere
			return &secret.Error{Kind: secret.Unavailable, Err: secret.Cause(err)}
		}
		return err
	}
	err := s.Write(ctx, "/"+st.Path, data, nil)
	if err == nil {
		return nil
	}
	if !st.exists && !errors.Is(err, secret.Unknown) {
		s.withdraw(ctx, st.Location)
	}
	if same { // the sidecar has taken effect
		return &secret.Error{Kind: secret.Unknown, Err: secret.Cause(err)}
	}
	return err
}

// withdraw takes away a sidecar whose value was never written, so that it says
// nothing about the next secret of the name.
func (s *Store) withdraw(ctx context.Context, at connection.Location) {
	ctx, cancel := connection.ToCleanUp(ctx)
	defer cancel()
	s.forget(ctx, at)
}

func (s *Store) forget(ctx context.Context, at connection.Location) {
	if err := s.Remove(ctx, "/"+at.Companion); err != nil {
		s.Warn(ctx, "the companion of a secret that is gone is left behind", "name", at.Wire, "error", err)
	}
}

// rewrite replaces the sidecar of the value that stands.
func (s *Store) rewrite(ctx context.Context, st *state) error {
	all := st.toGrow()
	e := entryOf(st.State, st.form, all.digest(st.data))
	if e.size() > maxEntry {
		return secret.Errorf(secret.Lossy, "the attributes are too large for Vault")
	}
	all.add(st.mine, e)
	return s.writeSidecars(ctx, st.Location, all)
}

// writeSidecars replaces the companion. Alone it shows nowhere.
func (s *Store) writeSidecars(ctx context.Context, at connection.Location, all sidecars) error {
	return s.Write(ctx, "/"+at.Companion, connection.Marshal(map[string]string{sidecarKey: sidecar.ASCII(all)}), nil)
}

// Update implements backends.Backend.
func (s *Store) Update(ctx context.Context, name secret.Name, sel secret.Selector, p secret.Patch) (*secret.Secret, error) {
	if err := errors.Join(history.CheckPatch(&p), connection.CheckPatchTimes(&p)); err != nil {
		return nil, connection.Named(err, "update", name)
	}
	return s.rewriting(ctx, "update", name, func(st *state) error {
		if err := st.visible(); err != nil {
			return err
		}
		_, err := st.Patch(sel, &p, s.Now())
		return err
	})
}

// rewriting changes what is known of the value that stands.
func (s *Store) rewriting(ctx context.Context, op string, name secret.Name, change func(*state) error) (*secret.Secret, error) {
	var out *secret.Secret
	err := s.changing(ctx, name, func(st *state) error {
		if err := change(st); err != nil {
			return err
		}
		out = st.View().WithoutValues()
		return s.rewrite(ctx, st)
	})
	if err != nil {
		return nil, connection.Named(err, op, name)
	}
	return out, nil
}

// changing runs change as the only one of this process who looks at the name.
func (s *Store) changing(ctx context.Context, name secret.Name, change func(*state) error) error {
	at, err := s.Locate(name)
	if err != nil {
		return err
	}
	unlock, err := s.locks.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	st, err := s.load(ctx, at, name)
	if err != nil {
		return err
	}
	return change(st)
}
